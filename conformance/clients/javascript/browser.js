// For a page of the gateway's origin. `types`: an EventSource delivers only events of names that have a listener.

/** With the token in the URL, which leaks into histories and logs. */
export function followWithToken(path, token, types, hear) {
  listen(new EventSource(`${path}?token=${token}`), types, hear)
}

/** With a ticket, which is valid for this browser only. The cookie that comes with it lets the EventSource reconnect. */
export async function followWithTicket(path, token, types, hear) {
  const answer = await fetch('/api/stream-tickets', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ path }),
  })
  const { url } = await answer.json()
  listen(new EventSource(url), types, hear)
}

function listen(source, types, hear) {
  for (const type of types) {
    source.addEventListener(type, ({ lastEventId, data }) => hear(lastEventId, type, data))
  }
}
