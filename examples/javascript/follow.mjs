/**
 * Has a command executed by a runner of a project, and follows it as if it ran here: what it writes comes out of
 * stdout and stderr, and its exit status is this program's.
 *
 *   node examples/javascript/follow.mjs 'npm test'
 *   node examples/javascript/follow.mjs --id <stream id>    one that was started before, even if it has ended
 *
 * Settings: SLUICE_PROJECT, SLUICE_TOKEN (an editor's; a viewer's is enough for --id), SLUICE_URL.
 * Exit status: the command's. 125: it has none, as it never started. 126: the gateway refused, or could not be asked to
 * start it. 2: wrong usage.
 */
import { EventSource } from 'eventsource'

const { SLUICE_URL, SLUICE_TOKEN, SLUICE_PROJECT } = process.env
const [option, ...rest] = process.argv.slice(2)
const command = process.argv.slice(2).join(' ')
if (!SLUICE_TOKEN || !SLUICE_PROJECT || !command || (option === '--id' && rest.length !== 1)) {
  say('Usage: SLUICE_TOKEN=… SLUICE_PROJECT=… node follow.mjs COMMAND | --id STREAM_ID')
  process.exit(2)
}
const project = `${SLUICE_URL || 'http://127.0.0.1:8080'}/projects/${encodeURIComponent(SLUICE_PROJECT)}`
const authorization = `Bearer ${SLUICE_TOKEN}`

// The reader of a pipe has gone (`| head`): there is nobody to go on for.
process.stdout.on('error', () => process.exit(141))

try {
  const id = option === '--id' ? rest[0] : await start(command)
  // Not process.exit: what was written last may still be on its way into a pipe.
  process.exitCode = await follow(id)
} catch (error) {
  say(error.cause?.message ?? error.message)
  process.exitCode = 126
}

/** Not tried again when it fails: the answer may be what was lost, and the command running. */
async function start(command) {
  const response = await fetch(`${project}/shell`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ command }),
  })
  if (!response.ok) throw new Error(await refusal(response))
  const { data } = await response.json()
  say(`started ${data.id}`)
  return data.id
}

/** Resolves with the exit status. EventSource itself keeps the last event id, and comes back with it. */
function follow(id) {
  return new Promise(resolve => {
    const source = new EventSource(`${project}/events?stream_id=${encodeURIComponent(id)}`, { fetch: ask })
    const end = status => {
      source.close()
      resolve(status)
    }

    source.addEventListener('connected', ({ data }) => {
      if (JSON.parse(data).status === 'queued') say('waits for a runner')
    })
    source.addEventListener('output', ({ data }) => {
      // A very long line comes in parts, of which all but the last continue.
      const { line, stream, continues } = JSON.parse(data)
      process[stream].write(continues ? line : `${line}\n`)
    })
    source.addEventListener('complete', ({ data }) => {
      const { exit_code, signal, reason = signal } = JSON.parse(data)
      if (reason) say(`ended: ${reason}`)
      end(exit_code)
    })

    source.addEventListener('error', event => {
      // Two things bear this name: the end of a command that never started, and a fault of the connection.
      if (event instanceof MessageEvent) {
        say(JSON.parse(event.data).message)
        end(125)
      } else if (source.readyState !== EventSource.CLOSED)
        event.message && say(`${event.message}, comes back`)
      // The stream has ended, and this client has all of it.
      else if (event.code === 204) end(125)
      else end(126)
    })
  })
}

/**
 * The fetch of the EventSource. It gives up for good on any status but 200, which is right for a wrong token, but not
 * for a gateway that is just being replaced: that becomes a broken connection here. A connection that falls silent
 * breaks by itself, as Node's fetch waits five minutes for a byte, and heartbeats come every 15 seconds.
 */
async function ask(url, init) {
  const response = await fetch(url, { ...init, headers: { ...init.headers, authorization } })
  if (response.status < 400) return response
  const text = await refusal(response)
  if (response.status === 429 || response.status >= 500) throw new Error(text)
  say(text)
  return response
}

/** What a problem document says (RFC 9457), or else the status. */
async function refusal(response) {
  const { code, detail } = await response.json().catch(() => ({}))
  return code ? `${detail} (${response.status} ${code})` : `status ${response.status}`
}

/** Writes beside the command's own lines; the name before it distinguishes the two. */
function say(text) {
  process.stderr.write(`follow: ${text}\n`)
}
