// Puts the npm package `eventsource` under the contract, as an example of an adapter for a client of somebody else.
import { createInterface } from 'node:readline'
import { EventSource } from 'eventsource'

const say = message => process.stdout.write(`${JSON.stringify(message)}\n`)
const sources = new Map()

say({
  name: 'eventsource 4.1.1',
  without: [
    'feed',
    'consumer',
    'comments',
    'restart',
    'last-event-id',
    'silence',
    'size',
    'delays',
    'longest',
    'hold',
  ],
})
for await (const line of createInterface({ input: process.stdin })) {
  const { command, case: id, url, options } = JSON.parse(line)
  if (command === 'follow') follow(id, url, options)
  if (command === 'close') close(id)
}

function follow(id, url, { method, headers, body }) {
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, method, body, headers: { ...init.headers, ...headers } }),
  })
  sources.set(id, source)
  // An EventSource delivers only the types that have a listener; this one looks at every event before that.
  source.dispatchEvent = event => {
    if (event instanceof MessageEvent || 'lastEventId' in event) {
      say({ case: id, saw: 'event', id: event.lastEventId, type: event.type, data: event.data })
    }
    if (event.type === 'error' && source.readyState === EventSource.CLOSED) ended(id, event)
    return true
  }
}

function ended(id, { code, message }) {
  sources.delete(id)
  const isOtherType = code === undefined || code === 200
  if (isOtherType) say({ case: id, saw: 'ended', why: 'protocol', code: 'content-type', detail: message })
  else
    say({ case: id, saw: 'ended', why: code === 204 ? 'closed' : 'refused', status: code, detail: message })
}

function close(id) {
  sources.get(id)?.close()
  sources.delete(id)
  say({ case: id, saw: 'ended', why: 'stopped' })
}
