/** The streams that are open in this process, by name. Each is looked up once for all callers that open it. */
import type { Database } from '../database/pool.js'
import { untilAborted, withinDeadline } from '../process/deadline.js'
import { HubStream } from './hub-stream.js'
import type { HubTally } from './hub-tally.js'
import { isThere, openStored, type ReadersReach, standingOf } from './stored-stream.js'
import type { Tailer } from './tailer.js'

/** How long a stream stays open after its last client, with its recent frames, because clients reconnect. */
const LINGER_MS = 10_000

/**
 * How long callers wait for a look-up before they also wait for their clients to disconnect: to make a signal for each of thousands that
 * come back together takes 4 % of the gateway's CPU, and most look-ups take a few milliseconds.
 */
const UNWATCHED_MS = 500

/** Keeps a stream open until it is released. Releasing twice is fine. */
export interface StreamHandle {
  readonly stream: HubStream
  release(): void
}

/** A stream that is being looked up; afterwards it is known. */
interface Opening {
  readonly found: Promise<HubStream | undefined>
  /** Resolves with `found`, or after UNWATCHED_MS. Never rejects. */
  readonly soon: Promise<unknown>
  readonly abandoned: AbortController
  /** The number of callers that wait for it. */
  waiting: number
  stream: HubStream | undefined
}

export interface OpenStreamsOptions {
  readonly database: Database
  readonly tailer: Tailer
}

export class OpenStreams {
  readonly #options: OpenStreamsOptions
  readonly #tally: HubTally
  readonly #openings = new Map<string, Opening>()

  constructor(options: OpenStreamsOptions, tally: HubTally) {
    this.#options = options
    this.#tally = tally
  }

  /** The stream, if it is open. Nobody waits here for one that is being looked up: `open` would not know of that wait, and give no turns. */
  known(workspace: string, name: string): HubStream | undefined {
    return this.#openings.get(keyOf(workspace, name))?.stream
  }

  /** Undefined if there is no stream of that name for the reader. A missing feed is created. @throws the reason of `gone`. */
  async open(workspace: string, name: string, reader: ReadersReach): Promise<StreamHandle | undefined> {
    const key = keyOf(workspace, name)
    // Thousands of clients that come back find it in one of these two ways, without a signal.
    const before = this.#there(key, name, reader)
    if (before) return handleOf(before)
    const known = this.#openings.get(key)
    const opening = known ?? this.#begin(key, workspace, name)
    const waits = known && !known.stream
    const stream = await this.#found(key, opening, reader)
    // In slices: thousands that have waited for the look-up of another one would hold the event loop up for half a second.
    if (waits) await this.#options.tailer.pacing.turnToOpen()
    const now = this.#there(key, name, reader)
    if (now) return handleOf(now)
    const within = { workspace, streams: reader.streams, gone: () => reader.gone }
    const standing = stream && (await standingOf(this.#options.database, within, name, stream))
    if (standing === 'reopened' && stream) stream.closed = false
    if (standing === 'replaced' || standing === undefined) this.#forget(key, opening)
    // No poll asks about it any more, so its clients would wait for ever.
    if (standing === 'replaced' && stream?.deleted === false) stream.onDeleted()
    if (!stream || standing === 'hidden') return undefined
    // It was deleted meanwhile, or dropped because it had no handle.
    const isOpen = this.#openings.get(key) === opening && !stream.deleted
    return isOpen ? handleOf(stream) : this.open(workspace, name, reader)
  }

  /** Acts on each stream, once it is open. */
  each(act: (stream: HubStream) => void): void {
    for (const { found } of this.#openings.values()) {
      void found.catch(() => undefined).then(stream => stream && act(stream))
    }
  }

  /** Closes the streams that were deleted, or that nobody has held for a while. */
  closeIdle(now: number): void {
    for (const [key, opening] of this.#openings) {
      const { stream } = opening
      if (stream && (stream.idleFor(now) > LINGER_MS || stream.deleted)) this.#forget(key, opening)
    }
  }

  /** @throws the reason of `gone`, if the look-up takes long. A look-up for which nobody waits any more leaves the line for the database. */
  async #found(key: string, opening: Opening, reader: ReadersReach): Promise<HubStream | undefined> {
    opening.waiting += 1
    try {
      await opening.soon
      // Others may wait for it too, and a client that has gone comes back.
      if (opening.stream) return opening.stream
      const { gone } = reader
      return await (gone ? untilAborted(opening.found, gone) : opening.found)
    } finally {
      opening.waiting -= 1
      if (opening.waiting === 0 && !opening.stream) {
        this.#forget(key, opening)
        opening.abandoned.abort()
      }
    }
  }

  /** The stream, if it is open and the log need not be asked for this reader. */
  #there(key: string, name: string, reader: ReadersReach): HubStream | undefined {
    const stream = this.#openings.get(key)?.stream
    return stream && isThere(reader, name, stream) ? stream : undefined
  }

  #begin(key: string, workspace: string, name: string): Opening {
    const abandoned = new AbortController()
    const found = this.#load(workspace, name, abandoned.signal)
    const soon = withinDeadline(found, UNWATCHED_MS).catch(() => undefined)
    const opening: Opening = { found, soon, abandoned, waiting: 0, stream: undefined }
    this.#openings.set(key, opening)
    opening.found.then(
      stream => {
        if (stream) opening.stream = stream
        else this.#forget(key, opening)
      },
      () => this.#forget(key, opening),
    )
    return opening
  }

  async #load(workspace: string, name: string, abandoned: AbortSignal): Promise<HubStream | undefined> {
    const { database, tailer } = this.#options
    const found = await openStored(database, { workspace, gone: abandoned }, name)
    // Another look-up may have begun meanwhile, and the tailer follows one object for each stream.
    abandoned.throwIfAborted()
    if (!found) return undefined
    const stream = new HubStream({
      ...found,
      named: { workspace, name },
      closed: found.closedAt !== null,
      pacing: tailer.pacing,
      tally: this.#tally,
      compareHead: () => tailer.wake([found.id]),
    })
    tailer.follow(stream)
    return stream
  }

  #forget(key: string, opening: Opening): void {
    if (this.#openings.get(key) === opening) this.#openings.delete(key)
    if (opening.stream) this.#options.tailer.unfollow(opening.stream)
  }
}

function handleOf(stream: HubStream): StreamHandle {
  return { stream, release: stream.hold() }
}

function keyOf(workspace: string, name: string): string {
  return `${workspace}/${name}`
}
