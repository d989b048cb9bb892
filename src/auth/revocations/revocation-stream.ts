/**
 * Follows the stream of access changes (access-change.ts) and applies them to this process. The tables hold the state: when a
 * process begins to follow, or cannot continue after a gap, it reads the tables, so no change is missed.
 */
import Value from 'typebox/value'
import { databaseFault } from '../../database/database-fault.js'
import type { Database } from '../../database/pool.js'
import { SystemStream } from '../../hub/system-stream.js'
import type { Tailer } from '../../hub/tailer.js'
import type { StoredEvent, StreamId } from '../../log/event.js'
import type { Logger } from '../../logging/logger.js'
import { Grants } from '../grants/grants.js'
import type { Principal } from '../principal.js'
import { ACCESS_STREAM, AccessChange } from './access-change.js'
import type { Guard, RevocationChange } from './guard.js'

/** A kind of its own: its events are messages, not state, and are removed after a day. */
const KIND = 'access'
export const ACCESS_KEPT_DAYS = { [KIND]: 1 }

export interface RevocationStreamOptions {
  readonly database: Database
  readonly tailer: Tailer
  readonly logger: Logger
  /** Wakes this process and the others. */
  onCommitted(streams: readonly StreamId[]): void
  readonly guard: Pick<Guard, 'load' | 'reload' | 'apply' | 'keyChanged' | 'renew'>
  /** An admin of the workspace ends the stream of this client, if this process has it. */
  onClientEnded(workspace: string, connection: string): void
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

  /** Must be called after the COMMIT of each access change, which itself sends no NOTIFY. */
  wake(): void {
    const { id } = this.#stream
    // A process that does not follow the stream yet reads all changes when it does.
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
      // An unknown change, sent by a newer version during a deploy, concerns that version only.
      if (!Value.Check(AccessChange, change)) continue
      if (change.change === 'key') keys.add(change.key)
      else if (change.change === 'revocations') {
        if (change.made) revocations.push({ made: change.made })
        else if (change.removed) revocations.push({ removed: change.removed })
        else unnamed = true
      } else if (change.change === 'renewal') guard.renew(change.connection, principalIn(change.principal))
      else this.#options.onClientEnded(change.workspace, change.connection)
    }
    if (revocations.length > 0) guard.apply(revocations)
    const asked = [...keys].map(key => guard.keyChanged(key))
    if (unnamed) asked.push(guard.reload())
    Promise.all(asked).catch(error => this.#failed(error))
  }

  #failed(error: unknown): void {
    const message = 'Cannot apply a change of access; reading all revocations and keys again.'
    if (!databaseFault(error)) this.#options.logger.error({ err: error }, message)
    this.#stream.loadAnew()
  }
}

type Renewal = Extract<AccessChange, { change: 'renewal' }>

function principalIn({
  expiresAt,
  grants,
  credential: { kind, id },
  ...rest
}: Renewal['principal']): Principal {
  return {
    ...rest,
    grants: grants && Grants.of(grants),
    expiresAt: expiresAt ?? Number.POSITIVE_INFINITY,
    credential: kind === 'key' && id !== undefined ? { kind, id } : { kind: 'token', id },
  }
}

/** The message that renews the credentials of a stream. */
export function renewalOf(
  connection: string,
  { expiresAt, credential, grants, ...rest }: Principal,
): AccessChange {
  const { kind, id } = credential
  return {
    change: 'renewal',
    connection,
    principal: {
      ...rest,
      ...(grants && { grants: grants.document }),
      expiresAt: Number.isFinite(expiresAt) ? expiresAt : null,
      credential: { kind, ...(id !== undefined && { id }) },
    },
  }
}
