// Drives a headless Chromium through the wallet's card pages, step by step, and tells what happened.
//
// node drive.mjs '{"steps":[["goto","http://…"],["click","button"],…]}' prints one line of JSON.
import {browser, context, plan, require} from '../../../../tegata-pages/tests/browser/open.mjs'

// What would be spoken; and what frames say to the page, which a test listens to beside the script.
if (plan.javascript !== false) {
  await context.addInitScript(() => {
    globalThis.spoken = []
    globalThis.heard = []
    SpeechSynthesis.prototype.speak = words => globalThis.spoken.push([words.lang, words.text])
    if (globalThis === top) addEventListener('message', event => globalThis.heard.push(event.data))
  })
}
const page = await context.newPage()
page.setDefaultTimeout(plan.patience ?? 20000)
const report = {messages: [], requests: [], axe: [], pages: 0}
context.on('page', () => report.pages++)
context.on('request', request => report.requests.push(`${request.method()} ${request.url()}`))
page.on('console', message => report.messages.push(message.text()))
page.on('pageerror', error => report.messages.push(String(error)))

const guide = () => page.frameLocator('#card-guide iframe')

const accessible = async where => {
  for (const frame of page.frames()) {
    await frame.addScriptTag({path: require.resolve('axe-core/axe.min.js')})
    const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    if (frame === page.mainFrame()) rules.push('best-practice')
    const found = await frame.evaluate(runOnly => globalThis.axe.run(document, {iframes: false, runOnly}), rules)
    for (const {id, nodes} of found.violations) {
      report.axe.push(`${where} ${id}: ${nodes.map(node => node.html).join(' ')}`)
    }
  }
}

const steps = {
  goto: url => page.goto(url),
  fill: (selector, text) => page.locator(selector).fill(text),
  click: selector => page.locator(selector).click(),
  press: key => page.keyboard.press(key),
  wait: selector => page.locator(selector).waitFor(),
  state: state => page.locator(`#card-stage[data-state="${state}"]`).waitFor(),
  guide: async selector => guide().locator(selector).click(),
  guideSays: async text => guide().getByText(text).waitFor(),
  text: async (key, selector) => { report[key] = await page.locator(selector).innerText() },
  count: async (key, selector) => { report[key] = await page.locator(selector).count() },
  eval: async (key, code) => { report[key] = await page.evaluate(code) },
  sleep: milliseconds => page.waitForTimeout(milliseconds),
  look: async name => {
    if (plan.screenshot) await page.screenshot({path: `${plan.screenshot}-${name}.png`, fullPage: true})
    const box = page.locator('#card-guide')
    if (plan.screenshot && await box.isVisible()) {
      await box.scrollIntoViewIfNeeded()
      await page.waitForTimeout(300)
      await page.screenshot({path: `${plan.screenshot}-${name}-guide.png`})
    }
    const wider = await page.evaluate(() =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (wider > 0) report.axe.push(`${name}: ${wider} pixels too wide`)
    if (plan.axe) await accessible(name)
  },
}

try {
  for (const [name, ...rest] of plan.steps) {
    report.at = [name, ...rest].join(' ')
    await steps[name](...rest)
  }
  delete report.at
} catch (error) {
  report.error = String(error)
  report.html = await page.content().catch(() => '')
}
report.address = page.url()
console.log(JSON.stringify(report))
await browser.close()
