// Seals one form for one shop. Runs in a worker that has no way out but its one answer.
//
// It is sent {suite, key, info, layers, typed, form}: the shop's key for this order, what the
// sealing is bound to, and the bytes to seal. It answers with the sealed bytes, or with the name
// of what went wrong. RFC 9180 base mode; suite 0 puts a key that both ends have in the place of
// the key encapsulation (see spec/orders.md).
const subtle = crypto.subtle
const random = n => crypto.getRandomValues(new Uint8Array(n))
const bytes = (...parts) => new Uint8Array(parts.flatMap(p => [...p.trim ? new TextEncoder().encode(p) : new Uint8Array(p)]))
const none = bytes()
const load = (key, name, use) => subtle.importKey('raw', key, name, false, [use])
const derive = async (key, name, salt, info, n) =>
  subtle.deriveBits({name, hash: 'SHA-256', salt, info, iterations: 6e5}, await load(key, name, 'deriveBits'), n * 8)
// A key seals one thing once, so the nonce may be fixed.
const lock = async (key, iv, data) => bytes(await subtle.encrypt({name: 'AES-GCM', iv}, await load(key, 'AES-GCM', 'encrypt'), data))

onmessage = async ({data: {suite, key, info, layers, typed, form}}) => {
  try {
    let sealed = [], data = form, enc, secret, pair
    while (layers--) {
      const communication = typed ? await derive(bytes(typed), 'PBKDF2', random(16), none, 32) : random(32)
      sealed = bytes(await lock(communication, new Uint8Array(12), data), sealed)
      data = communication
      typed = ''
    }
    const kem = [[255, 0], [0, 32], [100, 122]][suite]
    const suiteKem = ['KEM', kem]
    const labelled = (id, label, value) => bytes('HPKE-v1', ...id, label, value)
    const expand = (salt, id, first, ikm, label, context, n) => derive(labelled(id, first, ikm), 'HKDF', salt, bytes([0, n], labelled(id, label, context)), n)
    if (suite > 1) {
      const made = await subtle.encapsulateBits('MLKEM768-X25519', await subtle.importKey('raw-public', key, 'MLKEM768-X25519', false, ['encapsulateBits']))
      enc = made.ciphertext
      secret = made.sharedKey
    } else {
      if (suite) {
        pair = await subtle.generateKey('X25519', false, ['deriveBits'])
        enc = await subtle.exportKey('raw', pair.publicKey)
        secret = await subtle.deriveBits({name: 'X25519', public: await subtle.importKey('raw', key, 'X25519', false, [])}, pair.privateKey, 256)
      } else enc = random(32), secret = key
      secret = await expand(none, suiteKem, 'eae_prk', secret, 'shared_secret', bytes(enc, suite ? key : []), 32)
    }
    const id = ['HPKE', kem, [0, 1, 0, suite == 1 ? 1 : 2]]
    const mac = await subtle.importKey('raw', new Uint8Array(32), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign'])
    const digest = (label, value) => subtle.sign('HMAC', mac, labelled(id, label, value))
    const context = bytes([0], await digest('psk_id_hash', ''), await digest('info_hash', info))
    const part = (label, n) => expand(secret, id, 'secret', '', label, context, n)
    postMessage(bytes(enc, await lock(await part('key', suite == 1 ? 16 : 32), await part('base_nonce', 12), data), sealed))
  } catch (e) {
    postMessage(e.name)
  }
}
