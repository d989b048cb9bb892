/**
 * The admission of one client to a stream: whether it may open the stream now, where it starts, and whether there is
 * anything left to follow. The result says which; the caller turns it into a response.
 *
 * The order matters. Checks that cost nothing come first. The slot is taken next, before the first wait, so clients that
 * arrive together cannot exceed a limit. The permit comes last, in the turn of the event loop in which the stream is opened,
 * because it may have been revoked while the client waited for the database.
 */
import { type DatabaseFaultName, databaseMember, faultNameOf } from '../database/database-fault.js'
import { isBusy } from '../database/fair-gate.js'
import type { EventFilter } from '../log/event-filter.js'
import { Problem } from '../problems/problem.js'
import type { Encoding } from '../sse/encoding.js'
import type { Sink } from '../sse/sink.js'
import type { ClientIdentity } from './client-identity.js'
import type { ClientLimit } from './client-output.js'
import type { Cursor } from './cursor.js'
import type { DeliveryWindow } from './delivery-window.js'
import type { Hub } from './hub.js'
import type { StreamHandle } from './open-streams.js'
import type { Permit } from './permit.js'
import { hasGone, type Presence, throwIfGone } from './presence.js'
import type { Opening, Reset, StartAt } from './start.js'
import type { GrantedStreams } from './stored-stream.js'

export interface StreamRequest extends Presence {
  readonly workspace: string
  readonly stream: string
  /** The streams that the client may read, which the database compares; default: all. */
  readonly streams?: GrantedStreams
  readonly encoding: Encoding
  readonly from: StartAt
  readonly filter?: EventFilter | undefined
  /** Reads the opening that precedes the events. Called once the client has a slot; its errors reach the caller. */
  readonly opening?: ((encoding: Encoding) => Promise<Opening>) | undefined
  /** The window of the client. Called once the opening was read; default: none. */
  readonly window?: (() => DeliveryWindow | undefined) | undefined
  /** Clients that may follow this stream in this process; default: no limit but the process's own. */
  readonly maxFollowers?: number | undefined
  /** The event id that the client brought, in a form that may be sent back. */
  readonly broughtId?: string | undefined
  /** Query parameters that were ignored; the client gets their names. */
  readonly ignored?: readonly string[] | undefined
  /** The client, as the host knows it. Read once it is authorized. */
  readonly client?: ClientIdentity | undefined
}

/** The decisions of the hub's host about the client. Only the sink is required. */
export interface StreamHost {
  /** Charges the stream to the client's rate limit; false if the limit is reached. */
  spendBudget?(): Promise<boolean>
  /** Whether the process has memory for another stream. */
  hasRoom?(): boolean
  /** One of the streams that the client may have open, or the name of the limit that it has reached. */
  takeSlot?(): StreamSlot | ClientLimit
  /** Throws unless the client may follow the stream. Called once it has a slot, before anything that depends on the stream. */
  authorize?(): Promise<void>
  /** The client's permit as it is now. Errors that this throws reach the caller. Default: an endless permit. */
  permit?(): Permit
  /** Sends the head of the response. Called once, for a client that is admitted. */
  openSink(): Sink
}

export interface StreamSlot {
  /** Releasing twice is fine. */
  release(): void
  /** Set once the stream is open: ends it, because its client has too many in all processes together. */
  onWithdrawn?: ((limit: ClientLimit) => void) | undefined
}

export type StreamAdmission =
  /** The hub serves the client through its sink from now on. */
  | { readonly outcome: 'following' }
  | { readonly outcome: 'not-found' }
  /** The stream has ended, and the client has all of it. */
  | { readonly outcome: 'ended'; readonly at: Cursor }
  /** The client must go back to `reset.head`: the stream has ended there, or the encoding cannot say so. */
  | { readonly outcome: 'reset'; readonly reset: Reset }
  /** The client has gone before the stream was open. */
  | { readonly outcome: 'gone' }
  /** The client may try again soon. */
  | ({ readonly outcome: 'refused' } & StreamRefusal)

export interface StreamRefusal {
  readonly reason: 'draining' | 'limit' | 'memory' | 'database' | 'authorization' | 'held'
  /** The limit that is reached, if it is one of the client's own. */
  readonly limit?: ClientLimit
  /** The fault of the database, unless it is merely unreachable. */
  readonly database?: DatabaseFaultName
  /** The error of the database, for the log; or the problem that says who holds the consumer. */
  readonly error?: unknown
}

/** @throws the errors of `opening` and the host, and any error that a retry cannot fix. Nothing is held then. */
export async function admitStream(
  hub: Hub,
  request: StreamRequest,
  host: StreamHost,
): Promise<StreamAdmission> {
  if (hub.refusal) return refused({ reason: hub.refusal })
  if (host.spendBudget && !(await host.spendBudget())) return refused({ reason: 'limit' })
  if (host.hasRoom && !host.hasRoom()) return refused({ reason: 'memory' })
  const slot = host.takeSlot?.()
  if (typeof slot === 'string') return refused({ reason: 'limit', limit: slot })
  try {
    const admission = await follow(hub, request, host, slot)
    if (admission.outcome !== 'following') slot?.release()
    return admission
  } catch (error) {
    slot?.release()
    return hasGone(request) && error === request.gone?.reason ? { outcome: 'gone' } : refusalFor(error)
  }
}

async function follow(
  hub: Hub,
  request: StreamRequest,
  host: StreamHost,
  slot: StreamSlot | undefined,
): Promise<StreamAdmission> {
  // Before anything that depends on the stream.
  await host.authorize?.()
  const { workspace, stream, encoding, opening, maxFollowers } = request
  // Checked before the opening is read, and again after the last wait.
  if (maxFollowers !== undefined && hub.followers(workspace, stream) >= maxFollowers)
    return refused({ reason: 'limit' })
  // A client that has gone must not take a consumer from its holder.
  throwIfGone(request)
  const before = (opening && (await opening(encoding))) ?? { frames: [] }
  throwIfGone(request)
  const handle = await hub.open(workspace, stream, request)
  if (!handle) return { outcome: 'not-found' }
  let admission: StreamAdmission | undefined
  try {
    admission = await followFrom(hub, request, host, { handle: withSlot(handle, slot), before, slot })
    return admission
  } finally {
    if (admission?.outcome !== 'following') handle.release()
  }
}

async function followFrom(
  hub: Hub,
  request: StreamRequest,
  host: StreamHost,
  { handle, before, slot }: { handle: StreamHandle; before: Opening; slot: StreamSlot | undefined },
): Promise<StreamAdmission> {
  const { workspace, encoding, filter, maxFollowers = Number.POSITIVE_INFINITY } = request
  // It may have waited long for the stream, and what follows reads the log.
  throwIfGone(request)
  const start = await hub.starts.resolve(handle.stream, before.from ?? request.from, filter, request)
  throwIfGone(request)
  if (await hub.isAtItsEnd(workspace, request.stream, handle.stream, start.cursor, request)) {
    return start.reset ? { outcome: 'reset', reset: start.reset } : { outcome: 'ended', at: start.cursor }
  }
  if (start.reset && encoding.endsAtReset) return { outcome: 'reset', reset: start.reset }
  if (handle.stream.followers.size >= maxFollowers) return refused({ reason: 'limit' })
  const window = request.window?.()
  const permit = host.permit?.()
  const { broughtId, ignored, client } = request
  // From here on nothing may fail: the client has the head of a response.
  const sink = host.openSink()
  const opening = before.frames
  const subscription = hub.subscribe({
    handle,
    start,
    sink,
    encoding,
    filter,
    opening,
    broughtId,
    ignored,
    permit,
    client,
    window,
  })
  if (slot) slot.onWithdrawn = limit => subscription.refuse('limit', limit)
  return { outcome: 'following' }
}

/** A handle that releases the slot together with the stream. */
function withSlot({ stream, release }: StreamHandle, slot: StreamSlot | undefined): StreamHandle {
  return {
    stream,
    release() {
      release()
      slot?.release()
    },
  }
}

function refused(refusal: StreamRefusal): StreamAdmission {
  return { outcome: 'refused', ...refusal }
}

/** @throws the error itself, if a retry cannot help. */
function refusalFor(error: unknown): StreamAdmission {
  if (isBusy(error)) return refused({ reason: 'limit', limit: 'workspace' })
  if (error instanceof Problem && error.code === 'authorization-unavailable')
    return refused({ reason: 'authorization' })
  if (error instanceof Problem && error.code === 'consumer-held') return refused({ reason: 'held', error })
  const database = faultNameOf(error)
  if (!database) throw error
  return refused({ reason: 'database', ...databaseMember(database), error })
}
