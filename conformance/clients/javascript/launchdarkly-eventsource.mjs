import { EventSource } from 'launchdarkly-eventsource'

export function follow(url, token, types, hear) {
  const source = new EventSource(url, {
    headers: { Authorization: `Bearer ${token}` },
    // A little more than two heartbeats of the gateway. Without this, a dead connection is never noticed.
    readTimeoutMillis: 65_000,
    // Without this, all clients reconnect at the same moment, however long the outage lasts.
    maxBackoffMillis: 30_000,
    jitterRatio: 0.5,
  })
  for (const type of types) {
    source.addEventListener(type, ({ lastEventId, data }) => hear(lastEventId, type, data))
  }
  // Required: an `error` without a listener is thrown. It reconnects after 500 to 504 and lost connections.
  source.addEventListener('error', ({ status }) => {
    if (status) console.error(`status ${status}`)
  })
}
