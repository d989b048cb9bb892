/**
 * The streams of the endpoints that this process holds: one handle of the hub for each distinct stream, however many endpoints it
 * has. When the stream grows, is restarted or has changed events, its endpoints are woken; nobody polls.
 */
import type { Hub } from '../../hub/hub.js'
import type { Follower, HubStream } from '../../hub/hub-stream.js'
import type { StreamHandle } from '../../hub/open-streams.js'
import { aborted } from '../../process/deadline.js'

export interface StreamFollower {
  wake(): void
  forget(): void
  /** The stream was deleted. */
  onDeleted(): void
}

interface Watch {
  readonly opening: Promise<HubStream | undefined>
  readonly followers: Set<StreamFollower>
  close(): void
}

export class StreamWatches {
  readonly #hub: Pick<Hub, 'open'>
  readonly #watches = new Map<string, Watch>()

  constructor(hub: Pick<Hub, 'open'>) {
    this.#hub = hub
  }

  get size(): number {
    return this.#watches.size
  }

  /**
   * Follows a stream until the returned function is called.
   * @returns undefined if there is no such stream. @throws while the database is unavailable.
   */
  async follow(workspace: string, name: string, follower: (stream: HubStream) => StreamFollower) {
    const key = `${workspace}/${name}`
    const watch = this.#watches.get(key) ?? this.#open(key, workspace, name)
    const reserved: StreamFollower = { wake() {}, forget() {}, onDeleted() {} }
    // Holds the watch open meanwhile.
    watch.followers.add(reserved)
    const leave = (follower: StreamFollower) => {
      watch.followers.delete(follower)
      if (watch.followers.size > 0) return
      if (this.#watches.get(key) === watch) this.#watches.delete(key)
      watch.close()
    }
    try {
      const stream = await watch.opening
      if (!stream) return undefined
      const own = follower(stream)
      watch.followers.add(own)
      return { stream, leave: () => leave(own) }
    } finally {
      leave(reserved)
    }
  }

  #open(key: string, workspace: string, name: string): Watch {
    const over = new AbortController()
    const followers = new Set<StreamFollower>()
    const opening = this.#hub.open(workspace, name).then(handle => {
      if (!handle) return undefined
      if (over.signal.aborted) handle.release()
      else void watchStream(handle, followers, over.signal, () => this.#forget(key, watch))
      return handle.stream
    })
    const watch: Watch = { opening, followers, close: () => over.abort() }
    this.#watches.set(key, watch)
    return watch
  }

  /** Forgets a watch, so that the next endpoint opens the stream that has this name then. */
  #forget(key: string, watch: Watch): void {
    if (this.#watches.get(key) === watch) this.#watches.delete(key)
  }
}

async function watchStream(
  { stream, release }: StreamHandle,
  followers: ReadonlySet<StreamFollower>,
  over: AbortSignal,
  onDeleted: () => void,
): Promise<void> {
  const each = (act: (follower: StreamFollower) => void) => [...followers].forEach(act)
  const follower: Follower = {
    forget: () => each(one => one.forget()),
    restart: () => each(one => one.wake()),
    onDeleted() {
      onDeleted()
      each(one => one.onDeleted())
    },
  }
  stream.followers.add(follower)
  // It was deleted before anybody followed it.
  if (stream.deleted) follower.onDeleted()
  while (!over.aborted && !stream.ending && !stream.deleted) {
    await stream.grown(over)
    if (!over.aborted) each(one => one.wake())
  }
  await aborted(over)
  stream.followers.delete(follower)
  release()
}
