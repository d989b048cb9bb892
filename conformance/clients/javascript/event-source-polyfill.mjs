import { EventSourcePolyfill } from 'event-source-polyfill'

export function follow(url, token, types, hear) {
  const source = new EventSourcePolyfill(url, {
    headers: { Authorization: `Bearer ${token}` },
    // A little more than two heartbeats of the gateway; the default of 45 s is too close to one.
    heartbeatTimeout: 65_000,
  })
  for (const type of types) {
    source.addEventListener(type, ({ lastEventId, data }) => hear(lastEventId, type, data))
  }
  // It reconnects by itself, unless the gateway refuses: then `status` is set, to 204 at the end of a closed stream.
  source.addEventListener('error', ({ status }) => {
    if (source.readyState === EventSourcePolyfill.CLOSED) console.error(`refused: ${status}`)
  })
}
