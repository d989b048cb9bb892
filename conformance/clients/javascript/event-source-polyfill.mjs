import { EventSourcePolyfill } from 'event-source-polyfill'

export function follow(url, token, types, hear) {
  const source = new EventSourcePolyfill(url, {
    headers: { Authorization: `Bearer ${token}` },
    // Two heartbeats of the gateway, and some: its own 45 s are too near to one.
    heartbeatTimeout: 65_000,
  })
  for (const type of types) {
    source.addEventListener(type, ({ lastEventId, data }) => hear(lastEventId, type, data))
  }
  // It comes back by itself, unless the gateway refuses: then `status` is there, 204 at the end of a closed stream.
  source.addEventListener('error', ({ status }) => {
    if (source.readyState === EventSourcePolyfill.CLOSED) console.error(`refused: ${status}`)
  })
}
