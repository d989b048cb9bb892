/**
 * Waiting for a job. Whoever finds none in the queue looks again when the feed of the workspace tells of a new one, and
 * each 2 s whatever the feed tells: a job that came back to the queue is not announced there, and without NOTIFY even a
 * new one is heard of late (I6).
 */
import type { Head } from '../events/log.js'
import { isAt } from '../hub/cursor.js'
import type { HubStream } from '../hub/hub-stream.js'

const LOOK_AGAIN_MS = 2_000
const CREATED = 'job.created'

/**
 * What `look` finds, as soon as it finds something; undefined when the time is over, `signal` aborts, or the process ends.
 * @param feed of the workspace, open.
 */
export async function firstFound<T>(
  look: () => Promise<T | undefined>,
  feed: HubStream,
  waitMs: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const deadline = performance.now() + waitMs
  for (;;) {
    // Before the look: what is told from here on may have come too late for it.
    const seen = feed.head
    const found = await look()
    const left = deadline - performance.now()
    if (found !== undefined || left <= 0 || signal.aborted || feed.ending) return found
    await untilCreated(feed, seen, Math.min(left, LOOK_AGAIN_MS), signal)
  }
}

async function untilCreated(feed: HubStream, after: Head, ms: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const end = () => over.abort()
  const timer = setTimeout(end, ms)
  signal.addEventListener('abort', end)
  let seen = after
  while (!over.signal.aborted && !signal.aborted && !feed.ending && !hasCreated(feed, seen)) {
    seen = feed.head
    await feed.grown(over.signal)
  }
  signal.removeEventListener('abort', end)
  clearTimeout(timer)
}

/** Whether a job was created after a head, as far as can be told: an event that is no longer here may tell of one. */
function hasCreated(feed: HubStream, after: Head): boolean {
  return feed.recent.after(after)?.some(({ event }) => event.type === CREATED) ?? !isAt(after, feed.head)
}
