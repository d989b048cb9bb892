/**
 * The event id that a client sends when it reconnects: in the header `Last-Event-ID`, or in the query for clients
 * that cannot set headers. The first and the last block of every response return it to the client, because some
 * clients forget their place after a block without `id:`: the standard keeps the id per response (WHATWG HTML
 * §9.2.6).
 */

/** Names of the query parameter. event-source-polyfill writes `lastEventId`. */
export const ID_PARAMETERS: ReadonlySet<string> = new Set([
  'last_event_id',
  'lastEventId',
  'last-event-id',
  'Last-Event-ID',
])

const ECHOABLE = /^[A-Za-z0-9._-]{1,64}$/
/** Not an event id: a client that sends it gets a `reset`, as it would with its original text. */
const STAND_IN = 'unknown'

/** The part of a request that this file reads. The query is parsed but not validated yet. */
export interface Bringing {
  readonly headers: { readonly [name: string]: unknown }
  readonly query: unknown
}

/**
 * The id that the client sent, if any. The header wins over the URL, which the page may have written; and the last
 * value in the URL wins, because a reconnecting client appends it.
 */
export function broughtId({ headers, query }: Bringing): string | undefined {
  const inUrl = Object.entries<unknown>(Object(query)).filter(([name]) => ID_PARAMETERS.has(name))
  const texts = [...inUrl.flatMap(([, value]) => value), headers['last-event-id']]
  return texts.findLast((text): text is string => typeof text === 'string' && text !== '')
}

/** The same, safe for an `id:` field: a text that cannot be an event id is replaced, never cleaned. */
export function echoOfBroughtId(request: Bringing): string | undefined {
  const id = broughtId(request)
  if (id === undefined) return undefined
  return ECHOABLE.test(id) ? id : STAND_IN
}
