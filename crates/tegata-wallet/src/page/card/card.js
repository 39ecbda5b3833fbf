// Paying with a card: reads aloud what is shown, and lets a shop's guide stand beside the forms.
// Everything here can be left out: the forms do their work without it.
//
// The guide runs in a sandboxed frame of an origin of its own. It can ask for two things, `begin` and
// `aloud`, and is told the state and the bill's total. Both consents are buttons out here; what the
// guide asks for never presses one.

// ---- Reading aloud --------------------------------------------------------------------------------

const speaks = 'speechSynthesis' in globalThis && 'SpeechSynthesisUtterance' in globalThis

// The very words that stand in the page, in the page's language; a screen reader gets them too.
const say = box => {
  box.querySelector('[role="status"]').textContent = box.dataset.say
  speechSynthesis.cancel()
  const words = new SpeechSynthesisUtterance(box.dataset.say)
  words.lang = document.documentElement.lang
  speechSynthesis.speak(words)
}

const prepare = root => {
  if (!speaks) return
  for (const box of root.querySelectorAll('.aloud')) {
    box.hidden = false
    box.querySelector('button').addEventListener('click', () => say(box))
  }
}

prepare(document)

// ---- A shop's guide -------------------------------------------------------------------------------

const guide = document.querySelector('#card-guide')
const said = document.querySelector('#card-said')
const most = 100 // messages that a guide may send while one bill is paid
let frame        // the guide's, while it runs
let state = 'quote'
let heard = 0
let busy = false

const stage = () => document.querySelector('#card-stage')

// Only what the shop knows anyway: its own bill's total, and how far the member has come.
const tell = () => frame?.contentWindow?.postMessage(
  {tegata: 1, state, amount: guide.dataset.amount, shop: guide.dataset.shop}, '*')

const enter = next => {
  state = next
  guide.querySelector('button').hidden = next === 'paid'
  tell()
}

const stop = why => {
  frame?.remove()
  frame = undefined
  guide.hidden = true
  said.textContent = why ?? ''
}

// Sends a form as the browser would, and shows that part of the answer that has changed.
const send = async (form, pressed) => {
  if (busy) return
  busy = true
  const fields = new URLSearchParams(new FormData(form, pressed))
  for (const button of form.querySelectorAll('button')) button.disabled = true
  said.textContent = guide.dataset.reading
  enter(form.dataset.card === 'begin' ? 'reading' : 'paying')
  try {
    const answer = await fetch(form.action, {method: 'POST', body: fields})
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    show(page)
  } catch {
    // What became of it stands on the bill's page.
    location.reload()
  } finally {
    busy = false
  }
}

const show = page => {
  const next = page.querySelector('#card-stage')
  if (!next) return location.assign('/')
  for (const before of document.querySelectorAll('[data-before-card]')) before.hidden = true
  document.title = page.title
  const [old, heading] = [document.querySelector('h1'), page.querySelector('h1')]
  if (old && heading) old.textContent = heading.textContent
  stage().replaceWith(document.adoptNode(next))
  said.textContent = ''
  prepare(stage())
  stage().focus()
  enter(stage().dataset.state)
}

// The first press of "pay with my card" is the consent; then the card is laid on, and the second
// press, or the guide, begins.
const submitted = event => {
  const form = event.target
  if (!frame || !stage()?.contains(form) || !form.dataset.card) return
  event.preventDefault()
  if (form.dataset.card === 'begin' && state === 'quote') {
    const button = form.querySelector('button')
    button.textContent = guide.dataset.laid
    said.textContent = guide.dataset.lay
    enter('waiting')
    return
  }
  send(form, event.submitter)
}

const asked = event => {
  if (!frame || event.source !== frame.contentWindow || event.origin !== 'null') return
  if (++heard > most) return stop(guide.dataset.stopped)
  const ask = event.data?.ask
  if (ask === 'ready') tell()
  if (ask === 'aloud') {
    const box = [...document.querySelectorAll('.aloud')].findLast(box => !box.hidden)
    if (box) say(box)
  }
  // After consent 1 the card may be read. What it takes to pay stands behind consent 2.
  if (ask === 'begin' && state === 'waiting') send(stage().querySelector('[data-card="begin"]'))
}

const start = async () => {
  const answer = await fetch(guide.dataset.frame)
  if (!answer.ok) {
    said.textContent = await answer.text()
    return
  }
  frame = document.createElement('iframe')
  frame.setAttribute('sandbox', 'allow-scripts')
  frame.referrerPolicy = 'no-referrer'
  frame.title = guide.dataset.title
  frame.src = guide.dataset.frame
  // A guide that leads its frame elsewhere has nothing to do here any more.
  let loads = 0
  frame.addEventListener('load', () => { if (++loads > 1) stop(guide.dataset.stopped) })
  guide.querySelector('div').append(frame)
  guide.hidden = false
  globalThis.addEventListener('message', asked)
  document.addEventListener('submit', submitted)
  guide.querySelector('button').addEventListener('click', () => stop())
}

if (guide && stage()) start()
