// The form frame: fields that the shop's page around it can't read. When the button is pressed it
// asks that page for a key and a program, has the worker frame seal the form, hands the sealed
// bytes to the page, and forgets.

const form = document.querySelector('form')
const fieldset = document.querySelector('fieldset')
const status = document.querySelector('#status')
const button = document.querySelector('#order')
const shopOrigin = form.dataset.shop
const say = (code, tone) => {
  const find = code => document.querySelector(`template[data-code="${CSS.escape(code)}"]`)
  status.dataset.tone = tone
  status.dataset.code = code
  status.replaceChildren(...code ? [(find(code) ?? find('failed')).content.cloneNode(true)] : [])
}

// One question at a time over a port, each with its answer.
const ask = (port, question) => new Promise(done => {
  port.onmessage = ({data}) => done(data)
  port.postMessage(question)
})

// ---- The worker frame beside this one: new for each order, gone afterwards ------------------------

const openWorkerFrame = () => new Promise((done, failed) => {
  const frame = document.createElement('iframe')
  frame.hidden = true
  frame.title = ''
  frame.src = '/worker'
  // A frame that can't be fetched says nothing at all.
  const late = setTimeout(() => { frame.remove(); failed('shop_away') }, 15000)
  frame.addEventListener('load', () => {
    const {port1, port2} = new MessageChannel()
    port1.onmessage = () => { clearTimeout(late); done({frame, port: port1}) }
    // Never `*`: whoever put another document there gets no port.
    frame.contentWindow.postMessage('', location.origin, [port2])
  }, {once: true})
  document.body.append(frame)
})

const close = ({frame, port}) => { port.close(); frame.remove() }

// What the shop had itself asked to be erased here (O7): `keys` and `program` spare the other in the
// worker frame, until the page is left. The worker itself is gone in any case. Otherwise the frame
// goes, and with it key, program and every copy of the form. JavaScript can't promise more: when the
// browser gives the memory to others is its own affair.
const eraseAfterwards = async worker => {
  const choice = form.dataset.erase
  const spared = ['keys', 'program'].includes(choice)
  form.dataset.held = spared ? (await ask(worker.port, {erase: choice})).held : ''
  if (!spared) close(worker)
}

// ---- What was typed -------------------------------------------------------------------------------

const typedIn = async () => {
  const fields = []
  for (const input of form.querySelectorAll('[data-field]')) {
    if (input.type === 'file') {
      const [file] = input.files
      if (file) fields.push([input.dataset.field, new Uint8Array(await file.arrayBuffer())])
    } else if (input.type === 'checkbox' || input.type === 'radio') {
      if (input.checked) fields.push([input.dataset.field, input.value])
    } else if (input.value.trim()) fields.push([input.dataset.field, input.value.trim().normalize('NFC')])
  }
  return fields
}

const cardIn = () => {
  const part = name => document.querySelector(`[data-card="${name}"]`)?.value.trim() ?? ''
  const number = part('number').normalize('NFKC').replace(/[\s-]/g, '')
  return number ? {number, expiry: part('expiry'), name: part('name')} : null
}

const forget = () => {
  for (const input of form.querySelectorAll('input, textarea')) {
    if (input.type === 'checkbox' || input.type === 'radio') input.checked = false; else input.value = ''
  }
}

// ---- The order -------------------------------------------------------------------------------------

let page
// What the next press needs: a fresh token? which suite? and what erasing spared of the last order.
const next = {fresh: false, suite: undefined, total: undefined}

const show = total => {
  next.total = total
  if (!total) return
  const [currency, minor] = total
  const {lang} = document.documentElement
  const currencyDisplay = lang === 'ja' ? 'name' : 'narrowSymbol'
  const format = new Intl.NumberFormat(lang, {style: 'currency', currency, currencyDisplay})
  const {maximumFractionDigits} = format.resolvedOptions()
  document.querySelector('#total').textContent = format.format(minor / 10 ** maximumFractionDigits)
  document.querySelector('#sum').hidden = false
}

const sealWith = async (worker, given) => {
  const cart = await ask(worker.port, {token: given.token, lines: given.lines})
  if (cart.error) throw cart.error
  if (String(cart.total) !== String(next.total)) {
    show(cart.total)
    throw 'total_changed'
  }
  const made = await ask(worker.port, {...given, fields: await typedIn(), card: cardIn(),
    typed: document.querySelector('#typed-key')?.value ?? '', language: document.documentElement.lang})
  if (made.error) throw made.error
  return made.order
}

// Sealed bytes that may have reached the shop, though its answer was lost. Sent again they are the
// same order: it counts once, and gets the receipt of then. Whoever changes the form orders anew.
let sent
const UNANSWERED = ['shop_away', 'too_many', 'fault', 'failed']
form.addEventListener('input', () => { sent = undefined })

const order = async () => {
  const given = sent ? {} : await ask(page, {want: 'program', fresh: next.fresh, suite: next.suite})
  if (given.failed) throw given.failed
  const worker = await openWorkerFrame()
  try {
    sent ??= await sealWith(worker, given)
    const answer = await ask(page, {order: sent})
    if (answer.failed) throw answer.failed
    const checked = await ask(worker.port, {receipt: answer.receipt, order: sent})
    if (checked.error) throw checked.error
    await eraseAfterwards(worker)
    sent = undefined
  } catch (error) {
    close(worker)
    if (!UNANSWERED.includes(error)) sent = undefined
    throw error
  }
}

// Which refusals a fresh program mends: the next press asks for one, what was typed stays.
const MENDED_BY_FRESH = ['token_expired', 'order_key_unknown', 'order_key_used',
  'order_key_expired', 'order_unopenable', 'key_refused', 'key_expired', 'stock_empty',
  'cart_changed', 'total_changed']

form.addEventListener('submit', async event => {
  event.preventDefault()
  if (button.getAttribute('aria-disabled') === 'true') return
  button.setAttribute('aria-disabled', 'true')
  say('sealing', 'plain')
  try {
    await order()
    forget()
    say('taken', 'good')
    fieldset.disabled = true
    page.postMessage({done: true})
  } catch (code) {
    next.fresh = MENDED_BY_FRESH.includes(code)
    say(typeof code === 'string' ? code : 'failed', 'bad')
    status.focus()
    button.setAttribute('aria-disabled', 'false')
  }
})

form.addEventListener('invalid', () => say('incomplete', 'bad'), true)

// ---- Start: nothing can be typed before everything is there that seals it --------------------------

const able = () => isSecureContext && crypto?.subtle && typeof Worker === 'function'

const start = async port => {
  page = port
  const {token, lines} = await ask(page, {ready: true})
  const worker = await openWorkerFrame()
  const cart = await ask(worker.port, {token, lines})
  close(worker)
  next.fresh = cart.error === 'token_expired'
  if (cart.error && !next.fresh) return say(cart.error, 'bad')
  next.suite = cart.suite
  show(cart.total)
  const typedPart = document.querySelector('#typed-part')
  if (typedPart) typedPart.hidden = cart.layers === 0
  fieldset.disabled = false
  say('', 'plain')
}

if (!able()) say('no_crypto', 'bad')
else {
  addEventListener('message', event => {
    if (event.origin !== shopOrigin || event.source !== parent || page || !event.ports[0]) return
    start(event.ports[0])
  })
  new ResizeObserver(() => parent.postMessage({height: document.documentElement.offsetHeight}, shopOrigin))
    .observe(document.documentElement)
  // The page's own script may not be there yet: said again until it answers.
  const hail = () => { if (!page) { parent.postMessage({frame: 'ready'}, shopOrigin); setTimeout(hail, 250) } }
  hail()
}
