import { createEventSource } from 'eventsource-client'

export function follow(url, token, _types, hear) {
  const source = createEventSource({
    url,
    headers: { Authorization: `Bearer ${token}` },
    onMessage: ({ id, event, data }) => hear(id, event, data),
    // It does not check the status, and would reconnect forever.
    async fetch(input, init) {
      const response = await fetch(input, init)
      if (response.status >= 400 && response.status < 500) {
        source.close()
        console.error(`refused: ${response.status}`)
      }
      return response
    },
  })
}
