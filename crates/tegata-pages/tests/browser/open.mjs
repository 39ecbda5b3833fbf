// A headless Chromium for the scripts that drive one. Needs TEGATA_CHROMIUM (the browser's path) and
// playwright-core beside TEGATA_NODE_MODULES.
import {createRequire} from 'node:module'

export const require = createRequire(process.env.TEGATA_NODE_MODULES + '/')

// What the test wants, as JSON: the script's argument.
export const plan = JSON.parse(process.argv[2])

const {chromium} = require('playwright-core')
export const browser = await chromium.launch({
  executablePath: process.env.TEGATA_CHROMIUM,
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
})

// A context as the plan has it: size, language, dark or light, with or without scripts.
export const context = await browser.newContext({
  viewport: plan.viewport ?? {width: 1100, height: 900},
  locale: plan.locale ?? 'en-GB',
  colorScheme: plan.dark ? 'dark' : 'light',
  javaScriptEnabled: plan.javascript ?? true,
  hasTouch: plan.touch ?? false,
  bypassCSP: plan.axe ?? false,
})
