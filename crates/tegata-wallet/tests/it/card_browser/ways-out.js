// A guide that wants more: every way that a program in a page could send something with, or reach the
// page around it with. Each tells how it went. `there`, `own` and `udp` are put before it.

const tell = (way, how) => parent.postMessage({way, how}, '*')
const tried = async (way, work) => {
  try { tell(way, `done ${await work()}`) } catch (error) { tell(way, `failed ${error.name}`) }
}
const soon = work => new Promise((resolve, reject) => {
  work(resolve, reject)
  setTimeout(() => reject(new DOMException('', 'Silence')), 1500)
})

tried('fetch', () => fetch(there + '/fetch', {mode: 'no-cors'}))
tried('own server', () => fetch(own + '/card', {credentials: 'include'}).then(a => a.text()))
tried('xhr', () => soon((yes, no) => {
  const request = new XMLHttpRequest()
  request.onload = yes; request.onerror = no
  request.open('GET', there + '/xhr'); request.send()
}))
tried('socket', () => soon((yes, no) => {
  const socket = new WebSocket(there.replace('http', 'ws') + '/socket')
  socket.onopen = yes; socket.onerror = no
}))
tried('events', () => soon((yes, no) => {
  const events = new EventSource(there + '/events'); events.onopen = yes; events.onerror = no
}))
tried('beacon', () => { if (!navigator.sendBeacon(there + '/beacon', 'x')) throw new DOMException('', 'No') ; return 'queued' })
tried('image', () => soon((yes, no) => {
  const image = new Image(); image.onload = yes; image.onerror = no; image.src = there + '/image'
}))
tried('import', () => import(there + '/module.js'))
tried('worker', () => soon((yes, no) => {
  const code = `fetch('${there}/worker').then(() => postMessage(1))`
  const worker = new Worker(URL.createObjectURL(new Blob([code])))
  worker.onmessage = yes; worker.onerror = no
}))
tried('eval', () => Function('return 1')())
tried('style', () => soon((yes, no) => {
  const link = document.createElement('link')
  link.rel = 'stylesheet'; link.href = there + '/style'; link.onload = yes; link.onerror = no
  document.head.append(link)
}))
for (const rel of ['prefetch', 'preload', 'preconnect', 'dns-prefetch', 'modulepreload', 'prerender']) {
  const link = document.createElement('link')
  link.rel = rel; link.as = 'fetch'; link.href = there + '/' + rel
  document.head.append(link)
}
tried('font', () => new FontFace('x', `url(${there}/font)`).load())
tried('frame', () => {
  const frame = document.createElement('iframe')
  frame.src = there + '/frame'; document.body.append(frame)
  return 'made'
})
const self = `<scr${'ipt'}>${document.currentScript.textContent}</scr${'ipt'}>`
const child = document.createElement('iframe')
tried('frame of text', () => { child.srcdoc = self; document.body.append(child); return 'made' })
tried('frame by attribute', () => { child.setAttribute('srcdoc', self); return 'made' })
tried('markup', () => { document.body.innerHTML = '<iframe srcdoc="x">'; return 'made' })
tried('writing', () => { document.write(self); return 'made' })
tried('fragment', () => document.createRange().createContextualFragment(self))
tried('parsing', () => new DOMParser().parseFromString(self, 'text/html'))
tried('fresh window', () => {
  const frame = document.createElement('iframe'); document.body.append(frame)
  return new frame.contentWindow.RTCPeerConnection()
})
tried('script', () => { const made = document.createElement('script'); made.textContent = 'tell()'; document.body.append(made); return 'made' })
tried('window', () => { const opened = open(there + '/window'); if (!opened) throw new DOMException('', 'Null'); return 'open' })
tried('top', () => { top.location = there + '/top'; return 'set' })
tried('top by name', () => { open(there + '/top2', '_top'); return 'set' })
for (const target of ['_self', '_top', '_blank', '_parent']) {
  tried('form ' + target, () => {
    const form = document.createElement('form')
    form.method = 'post'; form.action = there + '/form'; form.target = target
    document.body.append(form); form.submit()
    return 'sent'
  })
}
tried('parent', () => parent.document.querySelector('[name=csrf]').value)
tried('top document', () => top.document.title)
tried('parent storage', () => parent.localStorage.length)
tried('storage', () => localStorage.length)
tried('cookie', () => document.cookie)
tried('database', () => soon((yes, no) => { const r = indexedDB.open('x'); r.onsuccess = yes; r.onerror = no }))
tried('referrer', () => { if (document.referrer) return document.referrer; throw new DOMException('', 'None') })
tried('calls', () => soon((yes, no) => {
  const connection = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:' + udp}]})
  connection.createDataChannel('x')
  connection.createOffer().then(offer => connection.setLocalDescription(offer)).catch(no)
}))
