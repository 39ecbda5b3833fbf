// Seals and opens as spec/orders.md says, with HPKE libraries that aren't Tegata's (npm's
// `@hpke/core` with `@hpke/hybridkem-x-wing`, and `hpke`), and runs the program that browsers run.
//
//     TEGATA_NODE_MODULES=…/node_modules node seal_orders.mjs < jobs.json
//
// The input is an array of jobs, the output an array of answers; byte strings are hexadecimal.
//
//     {"do": "seal", "library": "core" or "hpke", "suite": 1 or 2, "key", "info", "form"}
//     {"do": "open", "library", "suite", "seed", "info", "sealed"}
//     {"do": "program", "program": its text, "job": {suite, key, info, layers, typed, form}}
//
// An answer is {"bytes"} or {"error"}. Suite 2 needs a WebCrypto with ML-KEM in library "hpke" and
// in the program; library "core" brings its own.
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {Worker} from 'node:worker_threads'

const ENC_LENGTH = {1: 32, 2: 1120}
const fromHex = text => new Uint8Array(Buffer.from(text, 'hex'))
const toHex = bytes => Buffer.from(bytes).toString('hex')
const own = bytes => new Uint8Array(bytes).buffer
const load = file => import(pathToFileURL(join(process.env.TEGATA_NODE_MODULES, file)))

// spec/sealing.md: the X-Wing secret that grows from a seed.
const xWingSecret = seed => createHash('shake256', {outputLength: 32})
  .update(seed).update('HPKE-v1KEM').update(fromHex('647a000d')).update('DeriveKeyPair').update(fromHex('0020'))
  .digest()

const core = async suite => {
  const {Aes128Gcm, Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256} = await load('@hpke/core/esm/mod.js')
  const {XWing} = await load('@hpke/hybridkem-x-wing/esm/mod.js')
  const kem = suite === 1 ? new DhkemX25519HkdfSha256() : new XWing()
  const hpke = new CipherSuite({kem, kdf: new HkdfSha256(), aead: suite === 1 ? new Aes128Gcm() : new Aes256Gcm()})
  return {
    async seal(key, info, form) {
      const recipientPublicKey = await kem.deserializePublicKey(own(key))
      const {enc, ct} = await hpke.seal({recipientPublicKey, info: own(info)}, own(form))
      return [enc, ct]
    },
    async open(seed, info, enc, sealed) {
      const recipientKey = suite === 1 ? await kem.deriveKeyPair(own(seed))
        : await kem.deserializePrivateKey(own(xWingSecret(seed)))
      return hpke.open({recipientKey, enc: own(enc), info: own(info)}, own(sealed))
    },
  }
}

const panva = async suite => {
  const {CipherSuite, ...names} = await load('hpke/index.js')
  const hpke = suite === 1
    ? new CipherSuite(names.KEM_DHKEM_X25519_HKDF_SHA256, names.KDF_HKDF_SHA256, names.AEAD_AES_128_GCM)
    : new CipherSuite(names.KEM_MLKEM768_X25519, names.KDF_HKDF_SHA256, names.AEAD_AES_256_GCM)
  return {
    async seal(key, info, form) {
      const {encapsulatedSecret, ciphertext} = await hpke.Seal(await hpke.DeserializePublicKey(key), form, {info})
      return [encapsulatedSecret, ciphertext]
    },
    async open(seed, info, enc, sealed) {
      return hpke.Open(await hpke.DeriveKeyPair(seed), enc, sealed, {info})
    },
  }
}

// A worker as browsers have it, but for its way of passing messages.
const WORKER = `
  const {parentPort, workerData} = require('node:worker_threads')
  globalThis.postMessage = answer => parentPort.postMessage(answer)
  require('node:vm').runInThisContext(workerData)
  parentPort.on('message', data => globalThis.onmessage({data}))`

const program = (text, job) => new Promise((done, failed) => {
  const worker = new Worker(WORKER, {eval: true, workerData: text})
  worker.on('error', failed)
  worker.on('message', answer => {
    worker.terminate()
    answer instanceof Uint8Array ? done(answer) : failed(new Error(answer))
  })
  worker.postMessage({...job, key: fromHex(job.key), info: fromHex(job.info), form: fromHex(job.form)})
})

const run = async job => {
  if (job.do === 'program') return program(job.program, job.job)
  const library = await {core, hpke: panva}[job.library](job.suite), info = fromHex(job.info)
  if (job.do === 'seal') {
    const parts = await library.seal(fromHex(job.key), info, fromHex(job.form))
    return Buffer.concat(parts.map(part => new Uint8Array(part)))
  }
  const sealed = fromHex(job.sealed), length = ENC_LENGTH[job.suite]
  return library.open(fromHex(job.seed), info, sealed.slice(0, length), sealed.slice(length))
}

const answers = []
for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  answers.push(await run(job).then(bytes => ({bytes: toHex(bytes)}), error => ({error: String(error.message || error)})))
}
console.log(JSON.stringify(answers))
