/**
 * Follows one stream from its first event on, and writes a line for each: `type data`. The EventSource keeps the id of the
 * last event and comes back with it, so no event is missing and none comes twice, whatever becomes of the gateway.
 *
 *   TOKEN=… node examples/sql-app/follow.mjs STREAM TYPE…
 */
import { EventSource } from 'eventsource'

const { TOKEN, SLUICE_URL = 'http://127.0.0.1:8080' } = process.env
const [stream, ...types] = process.argv.slice(2)
if (!TOKEN || !stream || types.length === 0) {
  console.error('Usage: TOKEN=… node follow.mjs STREAM TYPE…')
  process.exit(2)
}
const url = `${SLUICE_URL}/api/events?stream=${encodeURIComponent(stream)}&from=beginning`

const source = new EventSource(url, { fetch: ask })
for (const type of [...types, 'reset']) {
  source.addEventListener(type, ({ data }) => console.log(`${type} ${data}`))
}
source.addEventListener('error', ({ code }) => {
  if (source.readyState === EventSource.CLOSED) console.log(`refused: ${code}`)
})

/** An EventSource gives up at any status but 200. A gateway that is being replaced answers again later. */
async function ask(input, init) {
  const response = await fetch(input, {
    ...init,
    headers: { ...init.headers, authorization: `Bearer ${TOKEN}` },
  })
  if (response.status === 429 || response.status >= 500) throw new Error(`status ${response.status}`)
  return response
}
