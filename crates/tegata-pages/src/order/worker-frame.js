// The worker frame: checks everything that the form is sealed with, then lets the delivered program
// seal it in a worker. This frame's headers leave neither it nor the worker any way out but the
// port to the form frame beside it.
//
// What is checked, against the keys pinned in this page: the shop's cart token, the key's record,
// the program's digest, the receipt. Nothing is run before that, and the form is sent to the worker
// only.

const pinned = name => document.querySelector(`meta[name="tegata-${name}"]`)?.content ?? ''
const fromHex = text => Uint8Array.from(text.match(/../g) ?? [], pair => parseInt(pair, 16))
const toHex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
const same = (a, b) => toHex(a) === toHex(b)
const sha256 = async bytes => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
const now = () => Math.floor(Date.now() / 1000)

const REGULAR = 1, DAY = 86400
const SHARED = 1, MEMBER = 3, RECIPIENT = 1, SERVICE = 2, COMPACT = 1, STANDARD = 2
const LIMIT = 64 * 1024, MOST_LINES = 500, SHORTEST_TYPED = 12

// A refusal by its code; the form frame has the words for it.
class Refused extends Error {}
const refuse = (code, unless) => { if (!unless) throw new Refused(code) }

// ---- Deterministic CBOR (RFC 8949), as far as our messages need it -------------------------------

const head = (major, n) => n < 24 ? [major << 5 | n] : n < 256 ? [major << 5 | 24, n]
  : n < 65536 ? [major << 5 | 25, n >> 8, n & 255]
  : [major << 5 | 26, n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255]

const join = parts => {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0)
  return joined
}

// Numbers, byte strings, text, arrays, and Maps whose keys are small numbers in rising order.
const encode = value => {
  if (typeof value === 'number') return Uint8Array.from(head(0, value))
  if (typeof value === 'string') {
    const bytes = new TextEncoder().encode(value)
    return join([head(3, bytes.length), bytes])
  }
  if (value instanceof Uint8Array) return join([head(2, value.length), value])
  if (value instanceof Map) return join([head(5, value.size), ...[...value].flat().map(encode)])
  return join([head(4, value.length), ...value.map(encode)])
}

// Reads one value; nothing is believed of it until its signature held.
const decode = bytes => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const take = n => { at += n; refuse('unreadable', at <= bytes.length); return bytes.slice(at - n, at) }
  const argument = info => {
    if (info < 24) return info
    const start = at
    take(1 << info - 24)
    return info === 24 ? view.getUint8(start) : info === 25 ? view.getUint16(start)
      : info === 26 ? view.getUint32(start) : Number(view.getBigUint64(start))
  }
  const read = depth => {
    refuse('unreadable', depth < 8)
    const [first] = take(1), major = first >> 5, info = first & 31
    if (major === 7) { refuse('unreadable', info >= 20 && info <= 22); return info === 22 ? null : info === 21 }
    refuse('unreadable', info < 28)
    const n = argument(info), more = () => read(depth + 1)
    refuse('unreadable', n <= bytes.length || major === 0 || major === 6)
    switch (major) {
      case 0: return n
      case 2: return take(n)
      case 3: return new TextDecoder('utf-8', {fatal: true}).decode(take(n))
      case 4: return Array.from({length: n}, more)
      case 5: return new Map(Array.from({length: n}, () => [more(), more()]))
      case 6: return more()
      default: throw new Refused('unreadable')
    }
  }
  const value = read(0)
  refuse('unreadable', at === bytes.length)
  return value
}

// ---- Signatures (RFC 9052) -----------------------------------------------------------------------

// The body of a COSE_Sign1 of this label, if one of the pinned keys signed it.
const verified = async (bytes, label, ...keys) => {
  const [protectedHeader, , payload, signature] = decode(bytes)
  const signed = encode(['Signature1', protectedHeader, new Uint8Array(), payload])
  const holds = async key => crypto.subtle.verify('Ed25519',
    await crypto.subtle.importKey('raw', fromHex(key), 'Ed25519', false, ['verify']), signature, signed)
  const held = await Promise.all(keys.filter(key => key).map(holds))
  refuse('forged', held.includes(true))
  const [found, version, body] = decode(payload)
  refuse('unreadable', found === label && version === 1)
  return {body, payload, by: keys.filter(key => key)[held.indexOf(true)]}
}

// ---- What is to be sealed, and with what ---------------------------------------------------------

const recipient = () => Number(pinned('recipient'))

const readToken = async (bytes, lines) => {
  const {body} = await verified(bytes, 121, pinned('shop-key'))
  refuse('token_invalid', body.get(0) === recipient())
  refuse('too_many_lines', lines.length <= MOST_LINES)
  refuse('cart_changed', same(await sha256(encode(lines)), body.get(2)))
  refuse('token_expired', body.get(9) > now())
  const [scope, kind, layers] = body.get(4)
  return {order: body.get(1), cart: body.get(2), total: body.get(3), scope, kind, layers,
    maker: body.get(5), compact: body.get(6), member: body.get(7), expires: body.get(9)}
}

// X-Wing wherever the browser has it: the suite is no choice of whoever hands keys out.
const bestSuite = async token => {
  if (token.kind === SHARED) return 0
  const has = async (name, uses) => {
    try { await crypto.subtle.generateKey(name, false, uses); return true } catch { return false }
  }
  if (await has('MLKEM768-X25519', ['encapsulateBits', 'decapsulateBits'])) return STANDARD
  refuse('no_suite', token.compact && await has('X25519', ['deriveBits']))
  return COMPACT
}

const readKey = async (bytes, token, suite) => {
  const service = token.maker === SERVICE ? pinned('service-key') : ''
  const {body, payload, by} = await verified(bytes, 120, pinned('shop-key'), service)
  const [scope, kind, layers] = body.get(2), [part, [inside]] = body.get(4)
  const made = by === pinned('shop-key') ? RECIPIENT : SERVICE
  const agrees = body.get(0) === recipient() && body.get(7) === made && part === kind
    && scope === token.scope && kind === token.kind && layers === token.layers
    && (scope === MEMBER ? body.get(3) === token.member : !body.has(3))
  refuse('key_refused', agrees)
  refuse('downgrade', kind === SHARED || inside[0] === suite)
  refuse('key_expired', body.get(5) > now())
  // For want of stock one key seals many orders: for a day at most.
  refuse('key_refused', body.get(8) === REGULAR || body.get(5) - body.get(9) <= DAY)
  return {id: body.get(1), key: kind === SHARED ? inside : inside[1], program: body.get(6), layers, payload}
}

// The centre's certificate for its credit link, signed by the pinned root.
const readCertificate = async bytes => {
  const {body, payload} = await verified(bytes, 1, pinned('root-key'))
  const [kind, [inside]] = body.get(2), [from, until] = body.get(3)
  refuse('card_refused', body.get(1) === 6 && kind === 1 && inside[0] === STANDARD)
  refuse('card_refused', from <= now() && now() < until)
  return {key: inside[1], payload}
}

// ---- The sealed worker ---------------------------------------------------------------------------

const run = (program, job) => new Promise((done, failed) => {
  const address = URL.createObjectURL(new Blob([program], {type: 'text/javascript'}))
  const worker = new Worker(address)
  const end = () => { worker.terminate(); URL.revokeObjectURL(address) }
  worker.onerror = () => { end(); failed(new Refused('program_failed')) }
  worker.onmessage = ({data}) => {
    end()
    data instanceof Uint8Array ? done(data) : failed(new Refused('program_failed'))
  }
  worker.postMessage(job)
})

// What was handed out, until it's erased.
const held = {}

const eraseHeld = choice => {
  delete held[choice]
  return {held: Object.keys(held).join(' ')}
}

const seal = async ({token, lines, handout, fields, language, typed, card, certificate}) => {
  const cart = await readToken(token, lines), suite = await bestSuite(cart)
  const [record, program] = decode(handout)
  const key = await readKey(record, cart, suite)
  refuse('program_refused', same(await sha256(new TextEncoder().encode(program)), key.program))
  Object.assign(held, {keys: record, program})
  refuse('typed_short', !typed || [...typed].length >= SHORTEST_TYPED)
  const form = encode(new Map([[0, lines], [1, fields], [2, language]]))
  refuse('order_too_large', form.length <= LIMIT)
  const info = (payload, purpose) => encode([payload, cart.order, cart.cart, purpose])
  const sealed = await run(program,
    {suite, key: key.key, info: info(key.payload, 1), layers: key.layers, typed, form})
  const order = new Map([[0, token], [1, key.id], [2, sealed]])
  if (card) {
    const credit = await readCertificate(certificate)
    const text = encode(new Map([[0, card.number], [1, card.expiry], [2, card.name]]))
    order.set(3, await run(program,
      {suite: STANDARD, key: credit.key, info: info(credit.payload, 2), layers: 0, typed: '', form: text}))
  }
  const bytes = encode(order)
  refuse('order_too_large', bytes.length <= LIMIT)
  return {order: bytes}
}

const checkReceipt = async ({receipt, order}) => {
  const {body} = await verified(receipt, 129, pinned('shop-key'))
  refuse('receipt_refused', body.get(0) === recipient() && same(body.get(2), await sha256(order)))
  return {taken: true}
}

const describe = async ({token, lines}) => {
  const cart = await readToken(token, lines)
  return {total: cart.total ?? null, expires: cart.expires, layers: cart.layers, suite: await bestSuite(cart)}
}

const answer = request => request.erase ? eraseHeld(request.erase) : request.receipt ? checkReceipt(request)
  : request.handout ? seal(request) : describe(request)

addEventListener('message', ({source, origin, ports: [port]}) => {
  if (source !== parent || origin !== location.origin || !port) return
  port.onmessage = async ({data}) => {
    try {
      port.postMessage(await answer(data))
    } catch (error) {
      port.postMessage({error: error instanceof Refused ? error.message : 'failed'})
    }
  }
  port.postMessage({ready: true})
}, {once: true})
