/**
 * The feed by a plain EventSource, and what an EventSource alone cannot know.
 *
 * - Why it was refused: it tells no status. When it gives up, the same path is asked for a page, which does.
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
const MAX_REFUSALS = 3

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
  let refusals = 0
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
    reset: ({ reason, head }) => {
      hear.reset({ reason, head }, shown)
      shown = positionOf(head)
      replaying = false
    },
  }

  function open() {
    source?.close()
    listened.clear()
    const query = new URLSearchParams(cursor ? { last_event_id: cursor } : { last: REPLAY })
    if (types) query.set('types', types)
    query.set('token', token)
    source = new EventSource(`/api/events?${query}`)
    source.onopen = () => {
      refusals = 0
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
    alive()
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
    refusals += 1
    const answer = await ask({ limit: 1 })
    if (ended) return
    if (answer && [400, 401, 403, 404].includes(answer.status)) {
      const problem = await answer.json().catch(() => undefined)
      return end(problem?.detail ?? `The gateway answered ${answer.status}.`, answer.status)
    }
    if (answer?.ok && refusals === MAX_REFUSALS) {
      return end('The stream is refused, although the token is good: is QUERY_TOKEN switched off?', 401)
    }
    timers.reopen = setTimeout(open, REOPEN_MS * (0.5 + Math.random()))
  }

  function ask(query) {
    const headers = { accept: 'application/json', authorization: `Bearer ${token}` }
    return fetch(`/api/events?${new URLSearchParams({ ...query, ...(types && { types }) })}`, {
      headers,
    }).catch(() => undefined)
  }

  function alive() {
    clearTimeout(timers.silence)
    timers.silence = setTimeout(open, SILENCE_MS)
  }

  function close() {
    ended = true
    source.close()
    for (const timer of Object.values(timers)) clearTimeout(timer)
  }

  function end(reason, status) {
    close()
    hear.state('ended')
    hear.ended(reason, status)
  }

  hear.state('connecting')
  open()
  return close
}

/** Of an event id, `<position>.<check>`; 0 for what is none. */
export function positionOf(id) {
  return Number.parseInt(id, 10) || 0
}
