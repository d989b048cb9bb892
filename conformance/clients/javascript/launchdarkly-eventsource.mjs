import { EventSource } from 'launchdarkly-eventsource'

export function follow(url, token, types, hear) {
  const source = new EventSource(url, {
    headers: { Authorization: `Bearer ${token}` },
    // Two heartbeats of the gateway, and some. Without, a dead connection is never noticed.
    readTimeoutMillis: 65_000,
    // Without, all clients come back at the same moment, however long nobody answers.
    maxBackoffMillis: 30_000,
    jitterRatio: 0.5,
  })
  for (const type of types) {
    source.addEventListener(type, ({ lastEventId, data }) => hear(lastEventId, type, data))
  }
  // It must be there: an `error` that nobody listens to is thrown. It comes back after 500 to 504 and lost connections.
  source.addEventListener('error', ({ status }) => {
    if (status) console.error(`status ${status}`)
  })
}
