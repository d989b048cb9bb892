/**
 * The feed by a plain EventSource, and what an EventSource alone cannot know.
 *
 * - The token: it cannot set headers. So it is opened with a ticket, with which it comes back by itself as well.
 * - Why it was refused: it tells no status. When it gives up, the same path is asked for a page, which does; then it is
 *   opened anew, with another ticket.
 * - Types that nobody listens to are not dispatched. But the last event id moves on, and positions are dense: a gap
 *   is read as a page, and its types are listened to from then on.
 * - When a replayed event happened: that is on the page of what was replayed.
 * - That a connection died without a word: after SILENCE_MS without even a heartbeat it is opened anew.
 *
 * States: connecting → live (or the server's mode: degraded, maintenance, draining) ⇄ reconnecting, unavailable; ended
 * is final.
 */
const KNOWN_TYPES = ['item.created', 'item.updated', 'item.deleted', 'revision.created']
const REPLAY = 50
const MAX_PAGE = 200
const PAGE_DELAY_MS = 300
const SILENCE_MS = 75_000
const REOPEN_MS = 3_000

/**
 * @param options `token`; `types`, a filter or ''; `hear`, who is told: `state(name)`, `event(event, fresh)`,
 *   `reset(notice, after)`, `ended(reason, status)`.
 * @returns a function that ends it.
 */
export function followFeed({ token, types, hear }) {
  const listened = new Set()
  const timers = { silence: 0, reopen: 0, page: 0 }
  let source
  let ended = false
  let opened = 0
  let cursor = ''
  /** Up to this position every event was shown or is being asked for, with the page after `asked`. */
  let shown = 0
  let asked = 0
  /** From the opening until the page of what was replayed is here, events are not fresh. */
  let opening = true
  let replaying = true

  const notices = {
    'server.state': ({ mode }) => hear.state(mode === 'normal' ? 'live' : mode),
    heartbeat: () => {},
    unavailable: () => hear.state('unavailable'),
    'auth-expired': () => end('Your token has expired.', 401),
    'auth-revoked': () => end('Your token has been revoked.', 401),
    reset: ({ reason, head }) => {
      hear.reset({ reason, head }, shown)
      shown = positionOf(head)
      replaying = false
    },
  }

  async function open() {
    source?.close()
    alive()
    opened += 1
    const turn = opened
    const query = new URLSearchParams(cursor ? { last_event_id: cursor } : { last: REPLAY })
    if (types) query.set('types', types)
    const answer = await askFor('/api/stream-tickets', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ path: `/api/events?${query}` }),
    })
    const issued = await answer?.json().catch(() => undefined)
    if (ended || turn !== opened) return
    if (!answer?.ok) return refused(answer?.status, issued)

    listened.clear()
    source = new EventSource(issued.url)
    source.onopen = () => {
      opening = replaying = true
      hear.state('live')
    }
    source.onerror = () => {
      hear.state('reconnecting')
      if (source.readyState === EventSource.CLOSED) void askWhy()
    }
    for (const [name, tell] of Object.entries(notices)) {
      source.addEventListener(name, event => {
        alive()
        tell(JSON.parse(event.data))
        if (event.lastEventId) moveTo(event.lastEventId, positionOf(event.lastEventId))
      })
    }
    for (const type of [...KNOWN_TYPES, ...types.split(',')]) listen(type)
  }

  function listen(type) {
    // `open` and `error` are what EventSource says itself; no event of the log has such a name.
    if (listened.has(type) || Object.hasOwn(notices, type) || ['open', 'error', ''].includes(type)) return
    listened.add(type)
    source.addEventListener(type, event => {
      alive()
      const position = positionOf(event.lastEventId)
      const at = replaying ? undefined : new Date()
      hear.event({ position, type, data: JSON.parse(event.data), at }, !replaying)
      moveTo(event.lastEventId, position - 1)
    })
  }

  /** The cursor is at `id` now, and all up to `before` had to be shown. */
  function moveTo(id, before) {
    if (opening) askPage(before)
    else if (before > shown) askPage(shown)
    opening = false
    cursor = id
    shown = Math.max(shown, positionOf(id))
  }

  /** Reads what follows `after`, in a moment and once for all who ask meanwhile. */
  function askPage(after) {
    asked = timers.page ? Math.min(asked, after) : after
    timers.page ||= setTimeout(readPage, PAGE_DELAY_MS)
  }

  async function readPage() {
    timers.page = 0
    const from = asked
    const answer = await ask({ after: from, limit: MAX_PAGE })
    const page = answer?.ok ? await answer.json() : { events: [], next: '' }
    if (ended) return
    for (const { position, type, data, at } of page.events) {
      listen(type)
      hear.event({ position, type, data, at: new Date(at) }, false)
    }
    const next = positionOf(page.next)
    if (next > from && next < shown) return askPage(next)
    shown = Math.max(shown, next)
    replaying = false
  }

  async function askWhy() {
    const answer = await ask({ limit: 1 })
    const problem = await answer?.json().catch(() => undefined)
    if (!ended) refused(answer?.status, problem)
  }

  /** What will not become better by itself is the end; after anything else it is opened anew. */
  function refused(status, problem) {
    if ([400, 401, 403, 404].includes(status)) {
      return end(problem?.detail ?? `The gateway answered ${status}.`, status)
    }
    hear.state('reconnecting')
    clearTimeout(timers.reopen)
    timers.reopen = setTimeout(open, REOPEN_MS * (0.5 + Math.random()))
  }

  function ask(query) {
    return askFor(`/api/events?${new URLSearchParams({ ...query, ...(types && { types }) })}`)
  }

  function askFor(path, { headers, ...init } = {}) {
    const all = { accept: 'application/json', authorization: `Bearer ${token}`, ...headers }
    return fetch(path, { ...init, headers: all }).catch(() => undefined)
  }

  function alive() {
    clearTimeout(timers.silence)
    timers.silence = setTimeout(open, SILENCE_MS)
  }

  function close() {
    ended = true
    source?.close()
    for (const timer of Object.values(timers)) clearTimeout(timer)
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

/** Of an event id, `<position>.<check>`; 0 for what is none. */
export function positionOf(id) {
  return Number.parseInt(id, 10) || 0
}
