import { fetchEventSource } from '@microsoft/fetch-event-source'

class Refused extends Error {}

export async function follow(url, token, _types, hear) {
  let lastId = ''
  await fetchEventSource(url, {
    headers: { Authorization: `Bearer ${token}` },
    // It adopts the id of a message that is cut off after its first line: send the last complete one instead.
    fetch: (input, init) =>
      fetch(input, { ...init, headers: { ...init.headers, ...(lastId && { 'last-event-id': lastId }) } }),
    // Otherwise a hidden tab loses its stream.
    openWhenHidden: true,
    async onopen({ status }) {
      if (status === 204 || (status >= 400 && status < 500)) throw new Refused(`refused: ${status}`)
      if (status !== 200) throw new Error(`status ${status}`)
    },
    onmessage({ id, event, data }) {
      if (id) lastId = id
      hear(id, event, data)
    },
    // It does not reconnect after the end of a connection, unless this throws.
    onclose() {
      throw new Error('ended')
    },
    // If this throws, the client ends; otherwise it reconnects after `retry`.
    onerror(error) {
      if (error instanceof Refused) throw error
    },
  })
}
