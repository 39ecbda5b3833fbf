// Walks through a shop as a customer does, in every language, on phone and desktop, by day and by
// night: looks at each page with axe, takes its picture, and orders at the end.
//
// node storefront.mjs SHOP SEALING PICTURES prints one line of JSON: what axe found, what stands out
// of the window, whom the pages called, and where each order's page is.
import {createRequire} from 'node:module'

const require = createRequire(process.env.TEGATA_NODE_MODULES + '/')
const {chromium} = require('playwright-core')
const [shop, sealing, pictures] = process.argv.slice(2)
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const found = [], wide = [], hosts = new Set(), statuses = [], small = []

const look = async (page, name) => {
  await page.screenshot({path: `${pictures}/${name}.png`, fullPage: true})
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (overflow > 0) wide.push(`${name}: ${overflow} px`)
  for (const frame of page.frames()) {
    if (!frame.url().startsWith('http') || frame.url().endsWith('/worker')) continue
    await frame.addScriptTag({path: require.resolve('axe-core/axe.min.js')})
    const rules = frame === page.mainFrame() ? [...RULES, 'best-practice'] : RULES
    const result = await frame.evaluate(rules => globalThis.axe.run(document, {iframes: false, runOnly: rules}), rules)
    for (const {id, nodes} of result.violations) found.push(`${name}: ${id}: ${nodes[0].html}`)
    const targets = await frame.evaluate(() => [...document.querySelectorAll('button, input, select, summary')]
      .filter(part => part.offsetParent && part.getBoundingClientRect().height < 24)
      .map(part => part.outerHTML.slice(0, 120)))
    small.push(...targets.map(target => `${name}: ${target}`))
  }
}

const VALUES = {name: '山田花子', postal_code: '920-0962', address: '1-2-3 Hirosaka', mail: 'a@b.example', phone: '076-000-0000'}

const visit = async (browser, {language, device, width, dark}) => {
  const name = page => `shop-${language}-${device}-${dark ? 'dark' : 'light'}-${page}`
  const context = await browser.newContext({
    viewport: {width, height: 860}, colorScheme: dark ? 'dark' : 'light', bypassCSP: true, locale: language,
  })
  context.on('request', request => hosts.add(new URL(request.url()).host || request.url().split(':')[0]))
  const page = await context.newPage()
  await page.goto(`${shop}/?lang=${language}`)
  await look(page, name('1-front'))
  await page.goto(await page.getAttribute('a[href^="/goods/"]', 'href').then(path => shop + path))
  await look(page, name('2-product'))
  await page.locator('form[action="/cart/add"] button').first().click()
  await page.waitForURL('**/cart*')
  await look(page, name('3-cart'))
  await page.goto(`${shop}/checkout`)
  const form = await page.waitForSelector('iframe').then(frame => frame.contentFrame())
  await form.waitForFunction(() => !document.querySelector('fieldset').disabled)
  await look(page, name('4-form'))
  for (const field of await form.$$('[data-field]')) {
    await field.fill(VALUES[await field.getAttribute('data-field')] ?? '')
  }
  // By keyboard: from the last field on to the button, without a mouse.
  await form.locator('#order').focus()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/orders/**')
  statuses.push(page.url())
  await look(page, name('5-order'))
  for (const [number, path] of [['6-how', '/how'], ['7-missing', '/no-such-page'], ['8-empty-cart', '/cart']]) {
    await page.goto(shop + path)
    await look(page, name(number))
  }
  await page.goto(`${sealing}/?lang=${language}`)
  await look(page, name('9-sealing'))
  await context.close()
}

const browser = await chromium.launch({executablePath: process.env.TEGATA_CHROMIUM, args: ['--no-sandbox']})
try {
  for (const language of ['en', 'ja']) {
    await visit(browser, {language, device: 'phone', width: 390, dark: language === 'ja'})
    await visit(browser, {language, device: 'desktop', width: 1200, dark: language === 'en'})
  }
} finally {
  await browser.close()
}
console.log(JSON.stringify({found, wide, small, hosts: [...hosts], statuses}))
