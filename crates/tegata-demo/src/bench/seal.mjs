// Measures the sealing program in Chromium: what its parts weigh, gzipped, and how long a seal takes.
//
// node seal.mjs FILE: FILE holds {program, frames, job}, byte strings as hex; prints one line
// of JSON. The clock of a page that isn't isolated ticks every 100 µs, so a round of seals is timed.
import {createRequire} from 'node:module'
import {gzipSync} from 'node:zlib'
import {readFileSync} from 'node:fs'

const require = createRequire(process.env.TEGATA_NODE_MODULES + '/')
const {chromium} = require('playwright-core')
const {program, frames, job} = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const zipped = bytes => gzipSync(bytes, {level: 9}).length
const apart = frames.reduce((sum, text) => sum + zipped(Buffer.from(text)), 0)

const browser = await chromium.launch({executablePath: process.env.TEGATA_CHROMIUM, args: ['--no-sandbox']})
const page = await browser.newPage()
// Any page of a secure origin will do: the worker brings its program along.
await page.route('http://bench.localhost/', route => route.fulfill({contentType: 'text/html', body: '<!doctype html>'}))
await page.goto('http://bench.localhost/')
const measured = await page.evaluate(async ({program, job}) => {
  const bytes = text => Uint8Array.from(text.match(/../g) ?? [], pair => parseInt(pair, 16))
  const given = {...job, key: bytes(job.key), info: bytes(job.info), form: bytes(job.form)}
  const address = URL.createObjectURL(new Blob([program], {type: 'text/javascript'}))
  const open = () => new Worker(address)
  const seal = worker => new Promise((done, failed) => {
    worker.onmessage = ({data}) => typeof data === 'string' ? failed(new Error(data)) : done(data)
    worker.postMessage(given)
  })
  const start = performance.now()
  const first = open()
  await seal(first)
  const cold = performance.now() - start
  const rounds = []
  for (let round = 0; round < 25; round++) {
    const start = performance.now()
    for (let n = 0; n < 20; n++) await seal(first)
    rounds.push((performance.now() - start) / 20)
  }
  rounds.sort((a, b) => a - b)
  return {cold, warm: rounds[12]}
}, {program, job})
await browser.close()
const nanos = milliseconds => Math.round(milliseconds * 1e6)
console.log(JSON.stringify({apart, program: zipped(Buffer.from(program)),
  cold: nanos(measured.cold), warm: nanos(measured.warm)}))
