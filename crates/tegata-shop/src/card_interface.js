// This shop's guide through a payment by card (K2). A signed bill names these bytes by their SHA-256;
// the member's wallet fetches them, runs exactly them, and nothing else, in a frame that has no network,
// no storage and no origin.
//
// The guide is told how far the payment has come, and the bill's total. It asks for two things: to
// begin reading the card once the member has agreed, and to have the wallet read its own figures aloud.
// It agrees to nothing: both consents are buttons of the wallet's, outside this frame.
'use strict'

const ja = document.documentElement.lang === 'ja'
const of = (english, japanese) => ja ? japanese : english

const steps = [
  of('Look at the bill', '請求を確かめる'),
  of('Lay the card on', 'カードを置く'),
  of('Agree to the amount', '金額に同意する'),
  of('Done', '完了'),
]

// For each state: the step, and what there is to do.
const states = {
  quote: [0, of('Look at the lines above. If they are right, press “Pay with my card”, outside this box.',
    '上の明細を確かめ、よければこの枠の外の「カードで支払う」を押してください。')],
  waiting: [1, of('Lay your card on the reader and leave it there. Then press the button.',
    'カードをリーダーに置き、そのままにして、ボタンを押してください。')],
  reading: [1, of('The card is being read. Please leave it there.',
    'カードを読んでいます。そのままお待ちください。')],
  asking: [2, of('Your wallet shows the amount outside this box. Agree there, or don’t.',
    '枠の外に財布が金額を示しています。そこで同意するか、やめるかを選んでください。')],
  paying: [2, of('The card is paying. Please leave it there.',
    'カードで支払っています。そのままお待ちください。')],
  paid: [3, of('Paid. Thank you! You may take your card.',
    'お支払いが済みました。ありがとうございます。カードをお取りください。')],
  refused: [1, of('It wasn’t paid. Your wallet says why, outside this box.',
    '支払われませんでした。理由は枠の外に財布が示しています。')],
  trouble: [1, of('That didn’t work. Your wallet says what to do, outside this box.',
    'うまくいきませんでした。どうすればよいかは枠の外に財布が示しています。')],
  in_doubt: [1, of('It isn’t clear yet what the card did. Lay the same card on again: it’s taken off once.',
    'カードが支払ったかどうか、まだわかりません。同じカードをもう一度置いてください。引かれるのは一度だけです。')],
  over: [1, of('That took too long. Begin again, outside this box.',
    '時間がかかりすぎました。枠の外からもう一度始めてください。')],
}

const sheet = new CSSStyleSheet()
sheet.replaceSync(`
  :root { color-scheme: light dark; --ink: #22252b; --quiet: #5a5e66; --ground: #fffdf8; --line: #8a8576;
    --shop: #8a3a1c; --on: #fff; --wash: #f8e9e0; }
  @media (prefers-color-scheme: dark) { :root { --ink: #e9e6df; --quiet: #a9a9a6; --ground: #1f2227;
    --line: #7d8088; --shop: #f0ac8c; --on: #3a1505; --wash: #40281d; } }
  * { box-sizing: border-box; }
  body { margin: 0; padding: 1.1rem 1.25rem; background: var(--ground); color: var(--ink);
    font: 1rem/1.6 system-ui, "Noto Sans JP", "Noto Sans CJK JP", sans-serif; }
  ol { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 0 0 1rem; padding: 0; list-style: none;
    counter-reset: step; color: var(--quiet); font-size: .95rem; }
  li { counter-increment: step; }
  li::before { content: counter(step) ". "; }
  li[aria-current] { color: var(--shop); font-weight: 700; }
  .scene { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: center; margin: 0 0 1rem; }
  svg { flex: none; width: 9rem; height: 6.2rem; }
  .reader { fill: var(--wash); stroke: var(--line); stroke-width: 2; }
  .card { fill: var(--shop); transition: transform .4s; }
  .chip { fill: var(--on); transition: transform .4s; }
  .away { transform: translateY(-22px); }
  @media (prefers-reduced-motion: reduce) { .card, .chip { transition: none; } }
  p { flex: 1 1 14rem; margin: 0; }
  .sum { display: block; font-size: 1.4rem; font-weight: 700; }
  button { min-height: 2.75rem; margin: 0 .6rem .6rem 0; padding: .5rem 1.2rem; border: 0; border-radius: .4rem;
    background: var(--shop); color: var(--on); font: inherit; font-weight: 600; cursor: pointer; }
  button.second { background: none; color: var(--shop); box-shadow: inset 0 0 0 1.5px var(--shop); }
  button[hidden] { display: none; }
  :focus-visible { outline: 3px solid var(--shop); outline-offset: 2px; }
`)
document.adoptedStyleSheets = [sheet]

// ---- What is seen ---------------------------------------------------------------------------------

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

const shape = (name, attributes) => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}

const picture = shape('svg', {viewBox: '0 0 144 100', 'aria-hidden': 'true'})
const card = shape('rect', {class: 'card', x: 38, y: 30, width: 68, height: 43, rx: 5})
const chip = shape('rect', {class: 'chip', x: 47, y: 43, width: 14, height: 11, rx: 2})
picture.append(shape('path', {class: 'reader', d: 'M20 62h104l14 32H6z'}), card, chip)

const list = element('ol', {}, ...steps.map(text => element('li', {textContent: text})))
const sum = element('span', {className: 'sum'})
const told = element('span')
const text = element('p', {role: 'status'}, sum, told)
const lies = element('button', {type: 'button', hidden: true,
  textContent: of('My card lies there', 'カードを置きました')})
const aloud = element('button', {type: 'button', className: 'second',
  textContent: of('Read aloud', '読み上げる')})
document.body.append(element('main', {}, list, element('div', {className: 'scene'}, picture, text), lies, aloud))

// ---- What is said ---------------------------------------------------------------------------------

const ask = what => parent.postMessage({tegata: 1, ask: what}, '*')

lies.addEventListener('click', () => ask('begin'))
aloud.addEventListener('click', () => ask('aloud'))

addEventListener('message', event => {
  if (event.source !== parent || event.data?.tegata !== 1) return
  const {state, amount} = event.data
  const [step, words] = states[state] ?? states.trouble
  sum.textContent = amount ?? ''
  told.textContent = words
  lies.hidden = state !== 'waiting'
  for (const part of [card, chip]) part.classList.toggle('away', step === 0 || state === 'waiting')
  for (const [index, item] of [...list.children].entries()) {
    if (index === step) item.setAttribute('aria-current', 'step')
    else item.removeAttribute('aria-current')
  }
})

ask('ready')
