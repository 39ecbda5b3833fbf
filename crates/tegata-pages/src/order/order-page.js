// The shop's page around the form frame: carries sealed bytes and public ones to and fro. It never
// sees what is typed; whoever changed this script would get ciphertext.

const place = document.querySelector('#order-form')
const frame = place.querySelector('iframe')
const framesOrigin = place.dataset.frames
const service = place.dataset.service
const failedText = place.querySelector('#order-failed')
const known = place.querySelector('#order-known')
const hex = text => Uint8Array.from(text.match(/../g) ?? [], pair => parseInt(pair, 16))
const lines = JSON.parse(place.dataset.lines)
let token = hex(place.dataset.token)
// Whose order it is, where keys belong to members: the page's own address says it.
const member = new URLSearchParams(location.search).get('member')
const certificate = hex(place.dataset.certificate ?? '')

// An answer that isn't a refusal; throws a refusal's code, or what stands for a server that can't be
// reached.
const answered = async (address, options, away) => {
  let answer
  try {
    answer = await fetch(address, {...options, credentials: 'omit', cache: 'no-store', redirect: 'error'})
  } catch {
    throw away
  }
  if (answer.ok) return answer
  if (answer.status === 429) throw 'too_many'
  throw (await answer.json().catch(() => ({}))).error ?? 'failed'
}

const bytesOf = async answer => new Uint8Array(await answer.arrayBuffer())
const fetched = async (address, options, away) => bytesOf(await answered(address, options, away))

const freshToken = async () => {
  const options = {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({lines, ...member && {member}})}
  token = await fetched('/v1/orders/token', options, 'shop_away')
}

const program = async ({fresh, suite}) => {
  if (fresh) await freshToken()
  const address = `${service}/v1/keys?suite=${suite === 1 ? 'compact' : 'standard'}`
  const handout = await fetched(address, {method: 'POST', body: token}, 'service_away')
  return {token, lines, handout, certificate}
}

// The shop says where the order's own page is: with a fresh token it's another order than this page
// was made for. Only a path on this very server is followed.
let done = place.dataset.done
const send = async order => {
  const options = {method: 'POST', headers: {'content-type': 'application/cbor'}, body: order}
  const answer = await answered('/v1/orders', options, 'shop_away')
  const told = answer.headers.get('content-location')
  if (told && URL.canParse(told, location.href)
    && new URL(told, location.href).origin === location.origin) done = told
  return {receipt: await bytesOf(answer)}
}

let status

const answer = async data => {
  if (data.ready) return {token, lines}
  if (data.want) return program(data)
  if (data.order) return send(data.order)
}

addEventListener('message', ({origin, source, data}) => {
  if (origin !== framesOrigin || source !== frame.contentWindow) return
  if (data.height) frame.style.height = `${Math.min(data.height, 4000)}px`
  if (data.frame !== 'ready' || status) return
  const {port1, port2} = new MessageChannel()
  status = port1
  port1.onmessage = async ({data}) => {
    if (data.done) return location.assign(done)
    try {
      port1.postMessage(await answer(data))
    } catch (error) {
      // The first try was taken after all, and the form was changed since.
      if (error === 'order_differs' && known) {
        known.hidden = false
        known.querySelector('a').href = done
      }
      port1.postMessage({failed: typeof error === 'string' ? error : 'failed'})
    }
  }
  frame.contentWindow.postMessage('', framesOrigin, [port2])
})

setTimeout(() => { if (!status && failedText) failedText.hidden = false }, 8000)
