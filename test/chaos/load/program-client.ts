/** A client as a program is: it follows a stream with a library, and looks after what the library leaves to it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Tally, Wanted } from '../../followers/follower.js'
import { END } from '../../followers/place.js'
import { StreamFollower } from '../../followers/stream-follower.js'
import { type RecordedFetch, recordedFetch } from './recorded-fetch.js'

const RETRY_MS = 2_000

export interface ProgramOptions extends Wanted {
  readonly origin: () => string
  readonly authorization: (isRefused: boolean) => string
  readonly silenceMs: number
  readonly tally: Tally
}

/** What the library gives it. */
export interface Heard {
  readonly id: string
  readonly type: string
  readonly data: string
}

export abstract class ProgramClient extends StreamFollower<ProgramOptions> {
  protected readonly connections: RecordedFetch

  constructor(options: ProgramOptions) {
    super(options, 'text/event-stream')
    this.connections = recordedFetch({ ...options, record: this.record })
  }

  /** Resolves when the library has given up, or `signal` has aborted. */
  protected abstract run(signal: AbortSignal): Promise<void>

  async follow(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      await this.run(signal)
      this.connections.closed()
      await pause(RETRY_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  protected takeEvent({ id, type, data }: Heard): void {
    if (this.stopping.signal.aborted) return
    this.lastId = id
    this.options.tally.deliveries += 1
    this.record.frame(id, type, `${id} ${type} ${data}`)
    if (type === END) this.finish()
  }

  protected takeNotice({ id, type, data }: Heard): void {
    if (this.stopping.signal.aborted) return
    if (id !== '') this.lastId = id
    if (type === 'unavailable') this.options.tally.refusals += 1
    if (type === 'auth-revoked' || type === 'auth-expired') this.connections.refused()
    const { reason } = JSON.parse(data) as { reason?: string }
    this.record.notice(type, id === '' ? undefined : id, reason)
    this.finishAtLast()
  }

  /** Of a block that only moves the cursor, where the library tells it. */
  protected takeCursor(id: string): void {
    if (this.stopping.signal.aborted || id === this.lastId) return
    this.lastId = id
    this.record.notice('cursor', id)
    this.finishAtLast()
  }
}
