// Drives a headless Chromium through one visit to a sealed form, and tells what happened.
//
// node drive.mjs '{"url":…, "fill":{field: value}, "card":{…}, "press":true, …}' prints one line of
// JSON.
import {browser, context, plan, require} from './open.mjs'

const page = await context.newPage()
const requests = [], messages = []
context.on('request', request => {
  const body = request.postDataBuffer()
  requests.push({method: request.method(), url: request.url(), body: body ? body.toString('hex') : ''})
})
page.on('console', message => messages.push(message.text()))
page.on('pageerror', error => messages.push(String(error)))

// What a test plants before any script of the page runs, to break or to spy.
if (plan.before) await context.addInitScript(plan.before)

// What axe finds wrong with each frame, by WCAG 2.2 AA.
const accessible = async page => {
  const found = []
  for (const frame of page.frames()) {
    if (frame.url().endsWith('/worker')) continue
    await frame.addScriptTag({path: require.resolve('axe-core/axe.min.js')})
    const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    if (frame === page.mainFrame()) rules.push('best-practice')
    const result = await frame.evaluate(rules => globalThis.axe.run(document, {
      iframes: false, runOnly: rules,
    }), rules)
    for (const {id, nodes} of result.violations) found.push(`${id}: ${nodes.map(node => node.html).join(' ')}`)
  }
  return found
}

const report = {}
try {
  await page.goto(plan.url)
  const frame = () => page.frames().find(frame => new URL(frame.url()).pathname.startsWith('/form/'))
  const settled = async () => {
    // The form is ready, done, or says why not.
    const form = frame()
    await form.waitForFunction(() => {
      const code = document.querySelector('#status')?.dataset.code
      return (code && code !== 'sealing') || !document.querySelector('fieldset').disabled
    }, null, {timeout: 20000})
  }
  if (plan.javascript !== false) {
    await settled()
    const presses = plan.presses ?? 1
    for (const [name, value] of Object.entries(plan.fill ?? {})) {
      await frame().locator(`[data-field="${name}"]`).fill(value)
    }
    for (const [name, value] of Object.entries(plan.choose ?? {})) {
      await frame().locator(`[data-field="${name}"]`).selectOption(value)
    }
    for (const [name, value] of Object.entries(plan.card ?? {})) {
      await frame().locator(`[data-card="${name}"]`).fill(value)
    }
    if (plan.typed !== undefined) {
      await frame().locator('summary').click()
      await frame().locator('#typed-key').fill(plan.typed)
    }
    if (plan.screenshot) await page.screenshot({path: plan.screenshot, fullPage: true})
    if (plan.axe) report.axe = await accessible(page)
    for (let press = 0; press < presses; press++) {
      if (plan.between && press > 0) await fetch(plan.between)
      await frame().locator('#order').click()
      await frame().waitForFunction(() => {
        const code = document.querySelector('#status').dataset.code
        return code && code !== 'sealing'
      }, null, {timeout: 30000})
      report.code = await frame().evaluate(() => document.querySelector('#status').dataset.code)
      report.text = await frame().evaluate(() => document.querySelector('#status').innerText)
      report.held = await frame().evaluate(() => document.querySelector('form').dataset.held ?? '')
      report.left = await frame().evaluate(() =>
        [...document.querySelectorAll('[data-field]')].map(field => field.value).join('|'))
    }
    report.address = page.url()
    report.code ??= await frame().evaluate(() => document.querySelector('#status').dataset.code ?? '')
    report.disabled = await frame().evaluate(() => document.querySelector('fieldset').disabled)
    report.total = await frame().evaluate(() => document.querySelector('#total').textContent)
    if (plan.look) report.look = await page.evaluate(plan.look)
    report.frames = page.frames().length
  } else {
    await page.waitForTimeout(500)
    report.text = await page.locator('body').innerText()
    const inner = page.frames().find(frame => new URL(frame.url()).pathname.startsWith('/form/'))
    report.frameText = inner ? await inner.locator('#status').innerText() : ''
    report.disabled = inner ? await inner.locator('fieldset').first().getAttribute('disabled') !== null : true
    if (plan.screenshot) await page.screenshot({path: plan.screenshot, fullPage: true})
  }
} catch (error) {
  report.error = String(error)
}
console.log(JSON.stringify({...report, requests, messages}))
await browser.close()
