import { fetchEventSource } from '@microsoft/fetch-event-source'

class Refused extends Error {}

export async function follow(url, token, _types, hear) {
  let lastId = ''
  await fetchEventSource(url, {
    headers: { Authorization: `Bearer ${token}` },
    // It takes the id of a message that is cut off after its first line: bring back the last one that was whole.
    fetch: (input, init) =>
      fetch(input, { ...init, headers: { ...init.headers, ...(lastId && { 'last-event-id': lastId }) } }),
    // Else a tab that is hidden loses its stream.
    openWhenHidden: true,
    async onopen({ status }) {
      if (status === 204 || (status >= 400 && status < 500)) throw new Refused(`refused: ${status}`)
      if (status !== 200) throw new Error(`status ${status}`)
    },
    onmessage({ id, event, data }) {
      if (id) lastId = id
      hear(id, event, data)
    },
    // The end of a connection is the end of it all, unless this throws.
    onclose() {
      throw new Error('ended')
    },
    // What this throws ends it; otherwise it comes back after `retry`.
    onerror(error) {
      if (error instanceof Refused) throw error
    },
  })
}
