/**
 * The connection of a tab: the text of an event stream, as the gateway itself would send it, so that the feed above it handles cursors,
 * `reset` and retries as always.
 *
 * A tab has its own cursor T; the shared connection is at H. If they differ, the tab reads what it lacks in pages. Ids have no order, so
 * what would come twice is found by name: the tab first reads the ids of the events after H (S), then delivers the events after T up to
 * the head of the log. Every event of S was among the latter, or before T. So of the frames that follow H, the tab drops those in S and
 * those that were in the pages, and delivers all others. Nothing is missed, because the pages end beyond H.
 */

import { cursorText, hello, textOf } from './event-text.js'
import type { Membership } from './membership.js'
import { type EventPage, isReset, type Pages, type Place, type Reset } from './pages.js'

/** A tab that is further behind reads on without the shared connection, and joins again. */
const MAX_PAGES = 10

/** Where the host was when it admitted the tab. */
export interface Admitted {
  readonly head: string
  readonly mode: string
}

/**
 * @param place where the tab starts; undefined: at the host's place.
 * @throws the Response if the gateway refuses the first page.
 */
export async function sharedFrames(
  membership: Membership,
  pages: Pages,
  { head, mode }: Admitted,
  place: Place | undefined,
): Promise<AsyncGenerator<string, void>> {
  if (place === undefined || place.value === head) return frames(membership, hello(head, mode))
  const ids = new Set<string>()
  if (!(await pages.addIds(head, ids, MAX_PAGES))) membership.leave()
  const first = await pages.read(place)
  return behind(membership, pages, ids, first, hello(place.by === 'after' ? place.value : undefined, mode))
}

/** The stream has ended for good: what the tab lacks of it. @returns undefined if it lacks nothing. */
export async function lastFrames(
  pages: Pages,
  place: Place | undefined,
): Promise<AsyncGenerator<string, void> | undefined> {
  const first = place && (await pages.read(place))
  if (!first || (!isReset(first) && first.isLast && first.frames.length === 0)) return undefined
  return pageFrames(pages, first, () => {})
}

async function* behind(
  membership: Membership,
  pages: Pages,
  ids: Set<string>,
  first: EventPage | Reset,
  opening: string,
): AsyncGenerator<string, void> {
  try {
    yield opening
    let count = 0
    yield* pageFrames(pages, first, page => {
      count += 1
      if (count > MAX_PAGES) {
        membership.leave()
        ids.clear()
      } else for (const { id } of page.frames) ids.add(id)
    })
    yield* frames(membership, '', ids)
  } finally {
    membership.leave()
  }
}

async function* pageFrames(
  pages: Pages,
  first: EventPage | Reset,
  onPage: (page: EventPage) => void,
): AsyncGenerator<string, void> {
  let page = first
  while (true) {
    if (isReset(page)) {
      yield textOf({ id: page.head, event: 'reset', data: JSON.stringify(page) })
      page = await pages.read({ by: 'after', value: page.head })
      continue
    }
    onPage(page)
    for (const frame of page.frames) yield textOf(frame)
    yield cursorText(page.next)
    if (page.isLast) return
    page = await pages.read({ by: 'after', value: page.next })
  }
}

/** @param dropped events that the tab has had. */
async function* frames(
  membership: Membership,
  opening: string,
  dropped = new Set<string>(),
): AsyncGenerator<string, void> {
  try {
    if (opening) yield opening
    // The host may still be behind the tab: until an event shows that it is not, its other frames must not move the tab's cursor back.
    let isAhead = dropped.size > 0
    for await (const frame of membership.frames()) {
      if (dropped.delete(frame.id) && frame.isEvent) continue
      if (frame.isEvent || frame.event === 'reset') {
        isAhead = false
        dropped.clear()
      }
      yield textOf(isAhead ? { ...frame, id: '' } : frame)
    }
  } finally {
    membership.leave()
  }
}
