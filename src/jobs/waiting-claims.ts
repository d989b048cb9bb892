/**
 * The claims of this process that wait for a job. However many wait, one statement at a time looks into the queues,
 * and a claim is only retried when there is a job for it:
 *
 *   waits ── its turn among claims that want the same, and a job is there ──▶ is tried ── gets it ──▶ over
 *     ▲                                                                          │
 *     └── another process was quicker ───────────────────────────────────────────┘
 *
 * The queues are checked when the feed of a workspace reports a new job, and every 2 s: the feed does not report a
 * job that returned to its queue, and without NOTIFY it reports even a new one late (I6).
 */

import { isAt } from '../hub/cursor.js'
import type { HubStream } from '../hub/hub-stream.js'
import type { StreamHandle } from '../hub/open-streams.js'
import type { Head } from '../log/log.js'
import { signalOrDeadline } from '../process/deadline.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { QueueFilter } from './queued.js'

const LOOK_AGAIN_MS = 2_000
const CREATED = 'job.created'

export interface WaitingClaimsOptions {
  /** For each filter the number of waiting jobs, at most `wanted`. */
  count(filters: readonly (QueueFilter & { readonly wanted: number })[]): Promise<number[]>
  /** Opens the feed of a workspace. */
  open(workspace: string): Promise<StreamHandle | undefined>
}

interface Waiter {
  /** Whether the claim is being tried. If so, it ends only after that try. */
  trying: boolean
  take(): Promise<void>
  end(): void
  fail(error: unknown): void
}

/** Claims of one workspace that want the same jobs, in order of arrival. */
interface Group {
  readonly filter: QueueFilter
  readonly waiters: Set<Waiter>
}

export class WaitingClaims {
  readonly #options: WaitingClaimsOptions
  readonly #groups = new Map<string, Group>()
  /** Keys of the jobs for which a first claim is looking right now. */
  readonly #firsts = new Set<string>()
  readonly #feeds = new Map<string, { claims: number; readonly opening: Promise<HubStream>; close(): void }>()
  /** Workspaces whose queues have to be checked. */
  readonly #stirred = new Set<string>()
  #looking = false
  readonly #looks = new PeriodicLoop({
    name: 'Counting queued jobs',
    everyMs: LOOK_AGAIN_MS,
    turn: () => this.#lookAgain(),
  })

  constructor(options: WaitingClaimsOptions) {
    this.#options = options
  }

  /**
   * Calls `look` until it finds a job, and returns its result; undefined if the time runs out, `signal` aborts, or the
   * process ends. It waits for a `look` that is under way.
   */
  async wait<T>(
    filter: QueueFilter,
    look: () => Promise<T | undefined>,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const deadline = performance.now() + waitMs
    const { stream, release } = await this.#feed(filter.workspace)
    try {
      // Read before the look, which may miss a job that is reported from now on.
      const seen = stream.head
      const key = JSON.stringify(filter)
      const found = await this.#first(key, filter.workspace, look)
      const left = deadline - performance.now()
      if (found !== undefined || left <= 0 || signal.aborted || stream.ending) return found
      const waiting = this.#enter(filter, key, look, left, signal)
      if (hasCreated(stream, seen)) this.#stir(filter.workspace)
      return await waiting
    } finally {
      release()
    }
  }

  /** Only the first of the claims that want the same jobs looks at once. Unless it finds none, the others look after it. */
  async #first<T>(
    key: string,
    workspace: string,
    look: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (this.#groups.has(key) || this.#firsts.has(key)) return undefined
    this.#firsts.add(key)
    let isEmpty = false
    try {
      const found = await look()
      isEmpty = found === undefined
      return found
    } finally {
      this.#firsts.delete(key)
      if (!isEmpty && this.#groups.has(key)) this.#stir(workspace)
    }
  }

  #enter<T>(
    filter: QueueFilter,
    key: string,
    look: () => Promise<T | undefined>,
    ms: number,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const group = this.#groups.get(key) ?? { filter, waiters: new Set() }
    this.#groups.set(key, group)
    return new Promise<T | undefined>((resolve, reject) => {
      let over = false
      const deadline = signalOrDeadline(signal, ms)
      const leave = () => {
        deadline.signal.removeEventListener('abort', waiter.end)
        deadline.release()
        this.#leave(key, waiter)
      }
      const waiter: Waiter = {
        trying: false,
        async take() {
          waiter.trying = true
          const found = await look().finally(() => {
            waiter.trying = false
          })
          if (found === undefined && !over) return
          leave()
          resolve(found)
        },
        end() {
          over = true
          if (waiter.trying) return
          leave()
          resolve(undefined)
        },
        fail(error) {
          leave()
          reject(error)
        },
      }
      deadline.signal.addEventListener('abort', waiter.end)
      group.waiters.add(waiter)
      this.#looks.start()
    })
  }

  #leave(key: string, waiter: Waiter): void {
    const waiters = this.#groups.get(key)?.waiters
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#groups.delete(key)
    if (this.#groups.size === 0) this.#looks.stop()
  }

  #lookAgain(): void {
    for (const { filter } of this.#groups.values()) this.#stir(filter.workspace)
  }

  #stir(workspace: string): void {
    this.#stirred.add(workspace)
    if (this.#looking) return
    this.#looking = true
    void this.#lookWhileStirred()
  }

  async #lookWhileStirred(): Promise<void> {
    while (this.#stirred.size > 0) {
      const groups = [...this.#groups.values()].filter(({ filter }) => this.#stirred.has(filter.workspace))
      this.#stirred.clear()
      if (groups.length > 0) await this.#look(groups)
    }
    // Set in the turn in which nothing was stirred any longer, so that the next stir begins anew.
    this.#looking = false
  }

  /** Never rejects: an error in reading the queues goes to the waiting claims. */
  async #look(groups: readonly Group[]): Promise<void> {
    const idle = groups.map(({ waiters }) => [...waiters].filter(({ trying }) => !trying))
    try {
      const asked = groups.map(({ filter }, n) => ({ ...filter, wanted: idle[n]?.length ?? 0 }))
      const jobs = await this.#options.count(asked)
      for (const [n, waiters] of idle.entries()) {
        const there = waiters.filter(waiter => groups[n]?.waiters.has(waiter)).slice(0, jobs[n])
        for (const waiter of there) waiter.take().catch(error => waiter.fail(error))
      }
    } catch (error) {
      for (const waiter of idle.flat()) waiter.fail(error)
    }
  }

  /** The feed of a workspace, which is followed as long as a claim holds it. */
  async #feed(workspace: string): Promise<{ stream: HubStream; release(): void }> {
    const feed = this.#feeds.get(workspace) ?? this.#watched(workspace)
    this.#feeds.set(workspace, feed)
    feed.claims += 1
    const release = () => {
      feed.claims -= 1
      if (feed.claims > 0) return
      if (this.#feeds.get(workspace) === feed) this.#feeds.delete(workspace)
      feed.close()
    }
    try {
      return { stream: await feed.opening, release }
    } catch (error) {
      release()
      throw error
    }
  }

  #watched(workspace: string) {
    const over = new AbortController()
    const opening = this.#options.open(workspace).then(handle => {
      if (!handle) throw new Error(`The feed of ${workspace} cannot be opened.`)
      void this.#watch(workspace, handle, over.signal)
      return handle.stream
    })
    return { claims: 0, opening, close: () => over.abort() }
  }

  async #watch(workspace: string, { stream, release }: StreamHandle, over: AbortSignal): Promise<void> {
    while (!over.aborted && !stream.ending && !stream.deleted) {
      const seen = stream.head
      await stream.grown(over)
      if (!over.aborted && hasCreated(stream, seen)) this.#stir(workspace)
    }
    release()
    // The next claim opens it again.
    if (!over.aborted) this.#feeds.delete(workspace)
    if (stream.ending) this.#end(workspace)
  }

  #end(workspace: string): void {
    for (const { filter, waiters } of [...this.#groups.values()]) {
      if (filter.workspace === workspace) for (const waiter of [...waiters]) waiter.end()
    }
  }
}

/** Whether a job was created after a head, as far as that is known: it may be in an event that is no longer stored. */
function hasCreated(feed: HubStream, after: Head): boolean {
  return feed.recent.after(after)?.some(({ event }) => event.type === CREATED) ?? !isAt(after, feed.head)
}
