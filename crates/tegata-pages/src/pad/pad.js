// A sheet to draw on. Points stand in this page's memory until they are posted, and nowhere else.

const pad = document.querySelector('.pad')
const canvas = pad.querySelector('canvas')
const here = pad.querySelector('.here')
const bar = pad.querySelector('#pad-bar')
const said = pad.querySelector('#pad-said')
const keys = pad.querySelector('#pad-keys')
const send = pad.querySelector('#pad-send')
const clear = pad.querySelector('#pad-clear')
const goal = Number(pad.dataset.goal), most = Number(pad.dataset.most)

let points = []      // {x, y, t}: what is posted
let start            // when the first came
let amount = 0       // of `goal`
let lines = []       // what is seen: one list of {x, y, width, t} for each stroke
let spoken = 'start' // what was said last: a screen reader shouldn't hear it with every point

const say = code => {
  if (code === spoken) return
  spoken = code
  said.replaceChildren(pad.querySelector(`template[data-code="${code}"]`).content.cloneNode(true))
}

// ---- Points ---------------------------------------------------------------------------------------

const tell = () => {
  bar.value = Math.min(amount, goal)
  send.disabled = amount < goal
  const quarters = Math.floor(4 * Math.min(amount, goal) / goal)
  if (quarters > 0) say(['quarter', 'half', 'most', 'enough'][quarters - 1])
}

// A point counts if it isn't where the last one was: a hand that rests adds nothing. Times never run
// backwards, though browsers may hand out the events of two fingers in any order.
const take = (x, y, when, weight) => {
  const last = points.at(-1)
  if (points.length >= most || (last && last.x === x && last.y === y)) return
  start ??= when
  points.push({x, y, t: Math.max(last?.t ?? 0, Math.round(when - start))})
  amount += weight
  tell()
}

const forget = () => {
  points = []
  lines = []
  amount = 0
  start = undefined
  keys.value = ''
  paint()
}

// ---- Drawing --------------------------------------------------------------------------------------

const context = canvas.getContext('2d')
const drawing = new Map() // by pointer

const at = event => {
  const box = canvas.getBoundingClientRect()
  return {x: event.clientX - box.left, y: event.clientY - box.top}
}

// Sixteenths of a pixel: pens and coalesced events say more than whole ones.
const takePointer = (event, weight) => {
  const {x, y} = at(event)
  take(Math.round(16 * x), Math.round(16 * y), event.timeStamp, weight)
}

// Like a brush: thin where the hand is fast or presses little. Places are kept as shares of the
// sheet, which may change its size.
const lengthen = (line, event) => {
  const {x, y} = at(event), last = line.at(-1)
  const point = {x: x / canvas.clientWidth, y: y / canvas.clientHeight, t: event.timeStamp, width: 6}
  if (last) {
    const far = Math.hypot(x - last.x * canvas.clientWidth, y - last.y * canvas.clientHeight)
    const speed = far / Math.max(1, point.t - last.t)
    const wanted = event.pointerType === 'pen' ? 1.5 + 10 * event.pressure : 9 - 3.2 * speed
    point.width = 0.75 * last.width + 0.25 * Math.min(9, Math.max(2, wanted))
  }
  line.push(point)
  paintLast(line)
}

canvas.addEventListener('pointerdown', event => {
  if (event.button !== 0) return
  event.preventDefault()
  canvas.setPointerCapture(event.pointerId)
  here.hidden = true
  const line = []
  lines.push(line)
  drawing.set(event.pointerId, line)
  lengthen(line, event)
  takePointer(event, 4)
})

canvas.addEventListener('pointermove', event => {
  const line = drawing.get(event.pointerId)
  if (!line) return
  const all = event.getCoalescedEvents?.() ?? []
  for (const one of all.length > 0 ? all : [event]) {
    lengthen(line, one)
    takePointer(one, 1)
  }
})

const lift = event => drawing.delete(event.pointerId)
canvas.addEventListener('pointerup', lift)
canvas.addEventListener('pointercancel', lift)

// ---- What is seen ---------------------------------------------------------------------------------

const place = ({x, y}) => [x * canvas.clientWidth, y * canvas.clientHeight]

const paintAt = (line, index) => {
  const [x, y] = place(line[index])
  context.lineWidth = line[index].width
  context.beginPath()
  if (index === 0) {
    context.arc(x, y, context.lineWidth / 2, 0, 2 * Math.PI)
    context.fill()
    return
  }
  const [fromX, fromY] = place(line[index - 1])
  const [beforeX, beforeY] = place(line[Math.max(0, index - 2)])
  context.moveTo((beforeX + fromX) / 2, (beforeY + fromY) / 2)
  context.quadraticCurveTo(fromX, fromY, (fromX + x) / 2, (fromY + y) / 2)
  context.stroke()
}

const paintLast = line => paintAt(line, line.length - 1)

const paint = () => {
  const scale = window.devicePixelRatio
  canvas.width = Math.round(canvas.clientWidth * scale)
  canvas.height = Math.round(canvas.clientHeight * scale)
  context.scale(scale, scale)
  const colour = getComputedStyle(canvas).color
  context.strokeStyle = colour
  context.fillStyle = colour
  context.lineCap = 'round'
  context.lineJoin = 'round'
  for (const line of lines) line.forEach((_, index) => paintAt(line, index))
  here.hidden = lines.length > 0
}

// ---- Keys -----------------------------------------------------------------------------------------

// A number for a key's name; which one doesn't matter.
const number = name => [...name].reduce((sum, c) => (31 * sum + c.codePointAt(0)) % 1_000_003, 7)

// Which key, and when: the time's fraction of a millisecond stands in the second number.
const takeKey = (event, name, up) => {
  const fraction = Math.floor(1000 * (event.timeStamp % 1))
  take((up ? -1 : 1) * number(name), fraction, event.timeStamp, 2)
}

// Where the keyboard is on a screen, keys often have no name; then what they write is counted.
const nameOf = ({code, key}) => code || (['Unidentified', 'Process', 'Tab'].includes(key) ? '' : key)
let nameless = false

keys.addEventListener('keydown', event => {
  if (event.key === 'Tab' || event.repeat) return
  const name = nameOf(event)
  nameless = !name
  if (name) takeKey(event, name, false)
})
keys.addEventListener('keyup', event => {
  const name = nameOf(event)
  if (name && event.key !== 'Tab') takeKey(event, name, true)
})
keys.addEventListener('input', event => {
  if (nameless && event.data) {
    takeKey(event, event.data, false)
    takeKey(event, event.data, true)
  }
  if (!event.isComposing && keys.value.length > 32) keys.value = ''
})

// ---- Buttons --------------------------------------------------------------------------------------

clear.addEventListener('click', () => {
  forget()
  tell()
  say('cleared')
})

const finish = () => {
  forget()
  for (const part of document.querySelectorAll('[data-pad="before"]')) part.remove()
  // The server ends now: nothing up there leads anywhere any more.
  document.querySelector('body > header').inert = true
  for (const part of document.querySelectorAll('[data-pad="done"]')) {
    part.hidden = false
    part.focus()
  }
}

const post = () => fetch(pad.dataset.action, {
  method: 'POST',
  headers: {'content-type': 'text/plain; charset=utf-8', 'x-tegata-form': pad.dataset.token},
  body: points.map(({x, y, t}) => `${x} ${y} ${t}\n`).join(''),
})

send.addEventListener('click', async () => {
  send.disabled = true
  clear.disabled = true
  say('sending')
  try {
    const answer = await post()
    if (answer.ok) return finish()
    spoken = ''
    said.textContent = await answer.text()
  } catch {
    say('away')
  }
  send.disabled = amount < goal
  clear.disabled = false
})

// ---- Ready ----------------------------------------------------------------------------------------

// The link was good once; what stands in the address shouldn't look as if it were good again.
history.replaceState(null, '', '/')
pad.hidden = false
new ResizeObserver(paint).observe(canvas)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint)
