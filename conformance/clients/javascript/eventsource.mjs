import { EventSource } from 'eventsource'

export function follow(url, token, types, hear) {
  const source = new EventSource(url, {
    fetch: (input, init) =>
      fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
  })
  for (const type of types) {
    source.addEventListener(type, ({ lastEventId, data }) => hear(lastEventId, type, data))
  }
  // It reconnects by itself, unless the gateway refuses: then `code` is the status, 204 at the end of a closed stream.
  source.addEventListener('error', ({ code }) => {
    if (source.readyState === EventSource.CLOSED) console.error(`refused: ${code}`)
  })
}
