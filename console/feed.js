/**
 * The feed as lines (NDJSON), read with fetch: an EventSource delivers only events of names that have a listener, and this
 * page shows events of every type. So this file does what an EventSource does by itself:
 *
 * - Resuming: it keeps the `id` of each line and sends it in `Last-Event-ID`.
 * - Reconnecting: 1 to 3 s after an end, with growing delays (BACKOFF_MS) while nobody answers.
 * - Detecting a dead connection: after SILENCE_MS without even a heartbeat it reconnects.
 *
 * States: connecting → live (or the server's mode: degraded, maintenance, draining) ⇄ reconnecting, unavailable; ended
 * is final.
 */
const REPLAY = 50
const SILENCE_MS = 75_000
const RETRY_MS = { least: 1_000, spread: 2_000 }
const BACKOFF_MS = { first: 1_000, longest: 30_000 }
/** A retry cannot succeed: the request itself is refused. */
const FINAL = [400, 401, 403, 404, 406]

/**
 * @param options `token`; `types`, a filter or ''; `hear`, the callbacks: `state(name)`, `event(event, fresh)`,
 *   `reset(notice, after)`, `ended(reason, status)`.
 * @returns a function that ends the feed.
 */
export function followFeed({ token, types, hear }) {
  let connection = new AbortController()
  let ended = false
  let silence = 0
  let again = 0
  let failures = 0
  let cursor = ''
  /** When this connection was opened, by the gateway's clock: older events are replayed ones. */
  let openedAt = 0

  const notices = {
    'server.state': ({ mode }) => hear.state(mode === 'normal' ? 'live' : mode),
    unavailable: () => hear.state('unavailable'),
    'auth-expired': () => end('Your token has expired.', 401),
    'auth-revoked': () => end('Your token has been revoked.', 401),
    reset: ({ reason, head }) => hear.reset({ reason, head }, positionOf(cursor)),
  }

  async function open() {
    connection = new AbortController()
    const { signal } = connection
    alive()
    try {
      const answer = await ask(signal)
      if (answer.ok) {
        openedAt = Date.parse(answer.headers.get('date'))
        for await (const line of linesOf(answer.body)) hearLine(line)
        if (!ended) comeBack(RETRY_MS.least + RETRY_MS.spread * Math.random())
      } else await refused(answer)
    } catch {
      if (!ended) comeBack(backOff())
    }
  }

  function ask(signal) {
    const query = new URLSearchParams(cursor ? {} : { last: REPLAY })
    if (types) query.set('types', types)
    const headers = { accept: 'application/x-ndjson', authorization: `Bearer ${token}` }
    if (cursor) headers['last-event-id'] = cursor
    return fetch(`api/events?${query}`, { headers, signal, cache: 'no-store' })
  }

  function hearLine(line) {
    if (ended) return
    alive()
    failures = 0
    const { id, position, type, data, at } = JSON.parse(line)
    if (position === undefined) notices[type]?.(data)
    else hear.event({ position, type, data, at: new Date(at) }, Date.parse(at) >= openedAt)
    if (id) cursor = id
  }

  async function refused(answer) {
    const problem = await answer.json().catch(() => undefined)
    if (ended) return
    if (FINAL.includes(answer.status))
      return end(problem?.detail ?? `The gateway answered ${answer.status}.`, answer.status)
    comeBack(Math.max(backOff(), 1_000 * (problem?.retry_after ?? 0)), 'unavailable')
  }

  function comeBack(ms, state = 'reconnecting') {
    hear.state(state)
    clearTimeout(silence)
    again = setTimeout(open, ms)
  }

  /** Grows with each failure, and is jittered, because many pages reconnect at the same time. */
  function backOff() {
    failures += 1
    return Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
  }

  function alive() {
    clearTimeout(silence)
    silence = setTimeout(() => connection.abort(), SILENCE_MS)
  }

  function close() {
    ended = true
    clearTimeout(silence)
    clearTimeout(again)
    connection.abort()
  }

  function end(reason, status) {
    close()
    hear.state('ended')
    hear.ended(reason, status)
  }

  hear.state('connecting')
  void open()
  return close
}

/** Keeps an incomplete line until its end arrives, and scans each character once, however small the pieces are. */
async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const [first, ...more] = next.value.split('\n')
    rest += first
    for (const piece of more) {
      yield rest
      rest = piece
    }
  }
}

/** The position in an event id, `<position>.<check>`; 0 if the text is not an event id. */
export function positionOf(id) {
  return Number.parseInt(id, 10) || 0
}
