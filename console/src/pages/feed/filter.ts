/** The filter of the feed, as it is in the address: `#/feed?stream=orders&types=order.*&text=late`. */
import { hrefOf, type Route } from '../../shell/route.ts'

export interface Filter {
  readonly stream: string
  /** As the gateway takes it: `item.*,order.paid`. */
  readonly types: string
  /** Anywhere in the event; upper and lower case are the same. */
  readonly text: string
  /** Times as in RFC 3339; `from` may also be `beginning` or an event id. */
  readonly from: string
  readonly until: string
  /** A place in the past, around which the list shows events instead of the live ones: an event id, a position or a time. */
  readonly at: string
}

export const FEED = 'feed'

export function filterOf({ query }: Route): Filter {
  const of = (name: string) => query.get(name) ?? ''
  return {
    stream: of('stream') || FEED,
    types: of('types'),
    text: of('text'),
    from: of('from'),
    until: of('until'),
    at: of('at'),
  }
}

/** @param id of the event that is shown in detail. */
export function feedHref({ stream, ...others }: Filter, id?: string): string {
  return hrefOf('feed', id === undefined ? [] : [id], { ...others, stream: stream === FEED ? '' : stream })
}

/** The part of the filter that the gateway applies. */
export function queryOf({ stream, types }: Filter) {
  return { stream: stream === FEED ? undefined : stream, types }
}

/** Whether an event matches the parts of the filter that the gateway does not know. */
export function matcherOf({
  text,
  until,
}: Filter): (event: { line: string; data: unknown; at: string }) => boolean {
  const wanted = text.trim().toLowerCase()
  return ({ line, data, at }) =>
    (until === '' || at <= until) &&
    // A text with escapes is compared as it reads.
    (wanted === '' ||
      (line.includes('\\') ? line + JSON.stringify(data) : line).toLowerCase().includes(wanted))
}

/** The place that somebody has typed: an event id, `#` and a position, or a time. Undefined if it is none of these. */
export function placeIn(typed: string): string | undefined {
  const text = typed.trim().replace(/^#/, '')
  if (/^\d+(\.[a-z2-7]{6})?$/.test(text)) return text
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : new Date(time).toISOString()
}

export function isTime(place: string): boolean {
  return place.includes('T')
}
