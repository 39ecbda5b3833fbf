// Drives a headless Chromium through one visit to the page on which strokes are drawn.
//
// node drive.mjs '{"url":…, "draw":"mouse", "press":"send", …}' prints one line of JSON.
import {browser, context, plan, require} from '../../../../tegata-pages/tests/browser/open.mjs'

const page = await context.newPage()
const report = {messages: [], axe: []}
// Reading pixels twice is this test's own doing.
const own = /Multiple readback operations/
page.on('console', message => {
  if (!plan.away && !own.test(message.text())) report.messages.push(message.text())
})
page.on('pageerror', error => report.messages.push(String(error)))
page.on('request', request => {
  if (request.method() === 'POST' && request.url().endsWith('/strokes')) report.posted = request.postData()
})

const accessible = async where => {
  await page.addScriptTag({path: require.resolve('axe-core/axe.min.js')})
  const result = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }))
  for (const {id, nodes} of result.violations) {
    report.axe.push(`${where} ${id}: ${nodes.map(node => node.html).join(' ')}`)
  }
}

const look = async name => {
  if (!plan.screenshot) return
  await page.screenshot({path: `${plan.screenshot}-${name}.png`, fullPage: true})
  if (plan.axe) await accessible(name)
}

const state = () => page.evaluate(() => ({
  value: document.querySelector('#pad-bar').value,
  disabled: document.querySelector('#pad-send').disabled,
}))

// How many pixels have ink.
const ink = () => page.evaluate(() => {
  const canvas = document.querySelector('canvas')
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  return data.filter((value, index) => index % 4 === 3 && value > 0).length
})

const draw = {
  // Two strokes, as a hand might: each a winding line in many small moves.
  async mouse() {
    const box = await page.locator('canvas').boundingBox()
    const stroke = async (row, moves) => {
      const at = i => [
        box.x + box.width * (0.08 + 0.84 * i / moves),
        box.y + box.height * (row + 0.2 * Math.sin(i / 9) * Math.cos(i / 23)),
      ]
      await page.mouse.move(...at(0))
      await page.mouse.down()
      for (let i = 1; i <= moves; i++) await page.mouse.move(...at(i))
      await page.mouse.up()
    }
    await stroke(0.3, 90)
    report.middle = await state()
    await look('half')
    await stroke(0.68, 200)
  },
  // Until it's enough; counts how many.
  async keys() {
    await page.locator('#pad-keys').focus()
    for (report.typed = 0; (await state()).disabled && report.typed < 500; report.typed++) {
      await page.keyboard.press('asdfghjkl'[report.typed % 9])
    }
  },
  async taps() {
    const box = await page.locator('canvas').boundingBox()
    for (let i = 0; i < 64; i++) {
      await page.touchscreen.tap(box.x + 20 + 5 * i % 300, box.y + 20 + 7 * i % 150)
    }
  },
}

const withScript = async () => {
  await page.locator('.pad').waitFor()
  // What a screen reader is told, in order.
  await page.evaluate(() => {
    globalThis.heard = []
    new MutationObserver(() => globalThis.heard.push(document.querySelector('#pad-said').textContent))
      .observe(document.querySelector('#pad-said'), {childList: true})
  })
  report.before = await state()
  report.address = page.url()
  report.wider = await page.evaluate(() =>
    document.documentElement.scrollWidth - document.documentElement.clientWidth)
  await look('empty')
  await draw[plan.draw]()
  report.after = await state()
  report.ink = await ink()
  await look('full')
  if (plan.away) await context.setOffline(true)
  if (plan.press === 'clear') {
    await page.locator('#pad-clear').click()
    report.cleared = await state()
    report.inkCleared = await ink()
  } else {
    await page.locator('#pad-send').click()
  }
  if (plan.without) await page.locator('form button').click()
  if (plan.away) {
    await page.waitForFunction(() => !document.querySelector('#pad-send').disabled)
    report.said = await page.locator('#pad-said').innerText()
    return
  }
  if (!plan.without) await page.locator('[data-pad="done"]').waitFor()
  else await page.waitForURL(url => url.pathname === '/without')
  report.done = await page.locator('main').innerText()
  report.heard = await page.evaluate(() => globalThis.heard ?? [])
  report.held = await page.evaluate(() =>
    [...document.querySelectorAll('canvas, #pad-keys')].map(node => node.outerHTML))
  await look('done')
}

try {
  await page.goto(plan.url)
  if (plan.javascript === false) report.text = await page.locator('body').innerText()
  else await withScript()
} catch (error) {
  report.error = String(error)
}
console.log(JSON.stringify(report))
await browser.close()
