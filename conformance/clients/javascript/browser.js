// In a page of the gateway's origin. `types`: an EventSource hears no name that it was not told.

/** With the token in the URL, where it gets into histories and logs. */
export function followWithToken(path, token, types, hear) {
  listen(new EventSource(`${path}?token=${token}`), types, hear)
}

/** With a ticket, which is good for this browser alone. A cookie comes with it, so that the EventSource can come back. */
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
