/**
 * What every process hears of changes of access (src/auth/revocations/access-change.ts), from the stream on which they are told. The
 * state is in the tables; whoever begins to follow, or cannot go on, reads it anew, so that no change is missed.
 */
import Value from 'typebox/value'
import { databaseFault } from '../../database/database-fault.js'
import type { Database } from '../../database/pool.js'
import { SystemStream } from '../../hub/system-stream.js'
import type { Tailer } from '../../hub/tailer.js'
import type { StoredEvent, StreamId } from '../../log/event.js'
import type { Logger } from '../../logging/logger.js'
import type { Principal } from '../principal.js'
import { ACCESS_STREAM, AccessChange } from './access-change.js'
import type { Guard, RevocationChange } from './guard.js'

/** Of a kind of its own: its events are no state, and go after a day (plugins/retention.ts). */
const KIND = 'access'
export const ACCESS_KEPT_DAYS = { [KIND]: 1 }

export interface RevocationStreamOptions {
  readonly database: Database
  readonly tailer: Tailer
  readonly logger: Logger
  /** Wakes this process and the others. */
  onCommitted(streams: readonly StreamId[]): void
  readonly guard: Pick<Guard, 'load' | 'reload' | 'apply' | 'keyChanged' | 'renew'>
}

export class RevocationStream {
  readonly #options: RevocationStreamOptions
  readonly #stream: SystemStream

  constructor(options: RevocationStreamOptions) {
    this.#options = options
    this.#stream = new SystemStream({
      ...options,
      name: ACCESS_STREAM,
      kind: KIND,
      load: () => options.guard.load(),
      receive: events => this.#receive(events),
    })
  }

  /** To be called after each COMMIT of a change of access: the change itself sends no NOTIFY, which could fail it. */
  wake(): void {
    const { id } = this.#stream
    // A process that does not follow yet reads everything when it does.
    if (id !== undefined) this.#options.onCommitted([id])
  }

  start(): Promise<void> {
    return this.#stream.start()
  }

  close(): void {
    this.#stream.close()
  }

  #receive(events: readonly StoredEvent[]): void {
    const { guard } = this.#options
    const keys = new Set<string>()
    let unnamed = false
    const revocations: RevocationChange[] = []
    for (const { data } of events) {
      const change: unknown = JSON.parse(data)
      // One that a newer version tells of, in the middle of a deploy, is for that.
      if (!Value.Check(AccessChange, change)) continue
      if (change.change === 'key') keys.add(change.key)
      else if (change.change === 'revocations') {
        if (change.made) revocations.push({ made: change.made })
        else if (change.removed) revocations.push({ removed: change.removed })
        else unnamed = true
      } else guard.renew(change.connection, principalIn(change.principal))
    }
    if (revocations.length > 0) guard.apply(revocations)
    const asked = [...keys].map(key => guard.keyChanged(key))
    if (unnamed) asked.push(guard.reload())
    Promise.all(asked).catch(error => this.#failed(error))
  }

  #failed(error: unknown): void {
    const message = 'A change of access cannot be read; everything is read anew.'
    if (!databaseFault(error)) this.#options.logger.error({ err: error }, message)
    this.#stream.loadAnew()
  }
}

type Renewal = Extract<AccessChange, { change: 'renewal' }>

function principalIn({ expiresAt, credential: { kind, id }, ...rest }: Renewal['principal']): Principal {
  return {
    ...rest,
    expiresAt: expiresAt ?? Number.POSITIVE_INFINITY,
    credential: kind === 'key' && id !== undefined ? { kind, id } : { kind: 'token', id },
  }
}

/** The change that tells of newer credentials for a stream. */
export function renewalOf(connection: string, { expiresAt, credential, ...rest }: Principal): AccessChange {
  const { kind, id } = credential
  return {
    change: 'renewal',
    connection,
    principal: {
      ...rest,
      expiresAt: Number.isFinite(expiresAt) ? expiresAt : null,
      credential: { kind, ...(id !== undefined && { id }) },
    },
  }
}
