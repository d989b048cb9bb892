/** Reads the log in pages: short requests of a tab, for what it has missed. */
import { parse } from '../../requests.js'
import type { Filter, Frame } from './messages.js'

const MAX_EVENTS = 1_000
const GONE = 410

/** A place to read from: after an event id, or one of the gateway's other starts. */
export interface Place {
  readonly by: 'after' | 'from'
  readonly value: string
}

export interface EventPage {
  readonly frames: readonly Frame[]
  /** The cursor of the next page. */
  readonly next: string
  /** Whether this page ends at the head of the log. */
  readonly isLast: boolean
}

/** The log cannot continue after the place. It continues after `head`. */
export interface Reset {
  readonly reason: string
  readonly earliest: string
  readonly head: string
}

export function isReset(page: EventPage | Reset): page is Reset {
  return 'reason' in page
}

interface StoredEvent {
  readonly id: string
  readonly type: string
  readonly data: unknown
}

interface StoredEvents {
  readonly events: readonly StoredEvent[]
  readonly next: string
  readonly head: string
}

export class Pages {
  constructor(
    /** The URL of the gateway's events, without a query. */
    readonly url: string,
    readonly filter: Filter,
    /** The credentials, the signal and the cookies of the stream. */
    readonly init: RequestInit & { readonly headers: Readonly<Record<string, string>> },
  ) {}

  /** @throws the Response if the gateway refuses. */
  async read({ by, value }: Place): Promise<EventPage | Reset> {
    const { envelope, ...filter } = this.filter
    const query = new URLSearchParams({ ...defined(filter), [by]: value, limit: String(MAX_EVENTS) })
    const response = await fetch(`${this.url}?${query}`, this.init)
    if (response.status === GONE) {
      const { code, earliest, head } = parse<Omit<Reset, 'reason'> & { code: string }>(await response.text())
      return { reason: code, earliest, head }
    }
    if (!response.ok) throw response
    const { events, next, head } = parse<StoredEvents>(await response.text())
    const frames = events.map(event =>
      envelope
        ? { isEvent: true, id: event.id, event: '', data: JSON.stringify(event) }
        : { isEvent: true, id: event.id, event: event.type, data: JSON.stringify(event.data) },
    )
    return { frames, next, isLast: next === head }
  }

  /** Adds the ids of the events after the cursor to `ids`. @returns whether `pages` pages reached the head of the log. */
  async addIds(cursor: string, ids: Set<string>, pages: number): Promise<boolean> {
    let after = cursor
    for (let count = 0; count < pages; count++) {
      const page = await this.read({ by: 'after', value: after })
      if (isReset(page)) return false
      for (const { id } of page.frames) ids.add(id)
      if (page.isLast) return true
      after = page.next
    }
    return false
  }
}

function defined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
