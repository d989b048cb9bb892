/**
 * The event id that a client brings back: in the header `Last-Event-ID`, or in the query for clients that cannot set
 * headers. Whatever is the first or the last block of a response gives it back to the client, because a client may take a
 * block without `id:` for the loss of its place: the standard keeps the id per response (WHATWG HTML §9.2.6).
 */

/** Names of the query parameter. event-source-polyfill writes `lastEventId`. */
export const ID_PARAMETERS: ReadonlySet<string> = new Set([
  'last_event_id',
  'lastEventId',
  'last-event-id',
  'Last-Event-ID',
])

const ECHOABLE = /^[A-Za-z0-9._-]{1,64}$/
/** No event id: a client that comes back with it hears a `reset`, as it would with the text that it had brought. */
const STAND_IN = 'unknown'

/** A request, as far as it is read here. The query is as it was parsed, not checked yet. */
export interface Bringing {
  readonly headers: { readonly [name: string]: unknown }
  readonly query: unknown
}

/**
 * What the client has brought, if anything. The header wins over the URL, whose author may be the page; and what
 * stands last in the URL wins, because a client that reconnects appends it.
 */
export function broughtId({ headers, query }: Bringing): string | undefined {
  const inUrl = Object.entries<unknown>(Object(query)).filter(([name]) => ID_PARAMETERS.has(name))
  const texts = [...inUrl.flatMap(([, value]) => value), headers['last-event-id']]
  return texts.findLast((text): text is string => typeof text === 'string' && text !== '')
}

/** The same, fit for an `id:` field: a text that no event id can be is replaced, never cleaned. */
export function echoOfBroughtId(request: Bringing): string | undefined {
  const id = broughtId(request)
  if (id === undefined) return undefined
  return ECHOABLE.test(id) ? id : STAND_IN
}
