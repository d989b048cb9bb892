/**
 * Gives replies `reply.follow(…)`, which shows a stream of the log live. Every route that shows one, in whatever encoding,
 * answers through it, so that resuming, refusing and ending are the same everywhere. Its sibling is event-pages.ts.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import type { Role } from '../src/auth/principal.js'
import {
  type DatabaseFaultName,
  databaseMember,
  faultNameOf,
  levelOf,
} from '../src/database/database-fault.js'
import { isBusy } from '../src/database/fair-gate.js'
import { inWorkspace } from '../src/database/workspace.js'
import { isAt } from '../src/hub/cursor.js'
import type { StreamHandle } from '../src/hub/hub.js'
import type { Opening, Start, StartAt } from '../src/hub/start.js'
import type { StreamLimit, StreamSlot } from '../src/limits/stream-slots.js'
import { FEED } from '../src/log/event.js'
import { findStreamAndHead } from '../src/log/log.js'
import type { TypeFilter } from '../src/log/type-filter.js'
import { notFound, Problem } from '../src/problems/problem.js'
import { echoOfBroughtId } from '../src/sse/brought-id.js'
import { type Encoding, type Notice, sse } from '../src/sse/encoding.js'
import { Payload } from '../src/sse/payload.js'
import { retryMs } from '../src/sse/retry.js'

declare module 'fastify' {
  interface FastifyReply {
    follow(request: FollowRequest): Promise<FastifyReply>
  }
}

export interface FollowRequest {
  /** Of the principal's workspace. */
  readonly stream: string
  readonly encoding: Encoding
  readonly from: StartAt
  readonly filter?: TypeFilter | undefined
  /** Reads what is said before the events; called for a client that may come in. What it throws is the answer. */
  readonly opening?: ((encoding: Encoding) => Promise<Opening>) | undefined
  /** Clients that may follow this stream in this process; default: no limit but the process's own. */
  readonly maxFollowers?: number
}

type Refusal = 'draining' | 'limit' | 'database' | 'memory'

export default fp(
  async app => {
    app.decorateReply('follow', function (this: FastifyReply, request: FollowRequest) {
      return follow(app, this, request)
    })
  },
  {
    name: 'follow',
    dependencies: [
      'hub',
      'access',
      'sse',
      'auth',
      'rate-limit',
      'stream-slots',
      'memory',
      'stream-parameters',
    ],
  },
)

async function follow(
  app: FastifyInstance,
  reply: FastifyReply,
  request: FollowRequest,
): Promise<FastifyReply> {
  const { encoding } = request
  const refusal = app.hub.refusal ?? ((await app.streamBudget(reply.request)) ? shortage(app) : 'limit')
  if (refusal) return refuseSoftly(reply, encoding, refusal)
  // Before anything is waited for: of those who come at the same time too, only as many as may.
  const slot = app.takeStreamSlot(reply.request)
  if (typeof slot === 'string') return refuseSoftly(reply, encoding, 'limit', { limit: slot })
  try {
    return await followIn(app, reply, request, slot)
  } catch (error) {
    slot.release()
    if (isBusy(error)) return refuseSoftly(reply, encoding, 'limit', { limit: 'workspace' })
    const database = faultNameOf(error)
    if (!database) throw error
    if (database !== 'away') reply.request.log[levelOf(error)]({ err: error }, 'stream could not be opened')
    return refuseSoftly(reply, encoding, 'database', databaseMember(database))
  }
}

function shortage({ memory }: FastifyInstance): Refusal | undefined {
  return memory.state === 'low' ? 'memory' : undefined
}

/** With a slot, which goes with the stream; when this throws, the caller gives it back. */
async function followIn(
  app: FastifyInstance,
  reply: FastifyReply,
  request: FollowRequest,
  slot: StreamSlot,
): Promise<FastifyReply> {
  const { stream, encoding, filter, opening, maxFollowers = Number.POSITIVE_INFINITY } = request
  const { principal } = reply.request
  // Asked before the opening is read, and again when there is nothing left to wait for.
  if ((await app.hub.followers(principal.workspace, stream)) >= maxFollowers) {
    slot.release()
    return refuseSoftly(reply, encoding, 'limit')
  }
  const { frames, from = request.from } = (await opening?.(encoding)) ?? { frames: [] }
  const handle = held(await open(app, reply, stream), slot)
  try {
    const start = await app.hub.starts.resolve(handle.stream, from, filter)
    if (await isAtItsEnd(app, reply, stream, handle, start)) {
      handle.release()
      // Stops an EventSource for good (WHATWG HTML §9.2.3): nothing can come any more.
      if (start.reset === undefined) return reply.code(204).send()
      // Nothing is left to say but that: the client comes back with the id of the end.
      return sayAndEnd(reply, encoding, { name: 'reset', data: start.reset, id: start.reset.head })
    }
    if (handle.stream.followers.size >= maxFollowers) {
      handle.release()
      return refuseSoftly(reply, encoding, 'limit')
    }
    // Asked again, in the turn in which the stream is taken up: there may have been much to wait for.
    const current = { principal: app.guard.current(principal), access: rolesOf(reply) }
    const sink = reply.openSink(encoding.contentType)
    const told = {
      opening: frames,
      broughtId: echoOfBroughtId(reply.request),
      ignored: reply.request.ignored,
    }
    app.hub.subscribe({ handle, start, sink, encoding, filter, ...told, ...current })
    return reply
  } catch (error) {
    handle.release()
    throw error
  }
}

/** A handle that gives the slot back with the stream. */
function held({ stream, release }: StreamHandle, slot: StreamSlot): StreamHandle {
  return {
    stream,
    release() {
      release()
      slot.release()
    },
  }
}

/** One of which opens the stream: so that newer credentials are held to the same. */
function rolesOf({ request }: FastifyReply): Role[] {
  return [request.routeOptions.config.access].flat().filter(role => role !== 'public')
}

async function open(app: FastifyInstance, reply: FastifyReply, stream: string): Promise<StreamHandle> {
  const handle = await app.hub.open(reply.request.principal.workspace, stream)
  if (!handle) throw notFound('stream')
  return handle
}

/**
 * Of a stream that has an end what was read when it was opened may be old: it is asked for again. Its head too, of the same
 * moment: the tailer may not have brought the last events yet, or the log may have lost them, its end included; and no
 * client is to be sent away for good without them.
 */
async function isAtItsEnd(
  app: FastifyInstance,
  reply: FastifyReply,
  name: string,
  { stream }: StreamHandle,
  { cursor }: Start,
): Promise<boolean> {
  if (cursor.position < stream.head.position) return false
  if (!stream.closed && stream.kind === FEED) return false
  const { workspace } = reply.request.principal
  return inWorkspace(app.database, workspace, async client => {
    const found = await findStreamAndHead(client, workspace, name)
    return found !== undefined && found.closedAt !== null && isAt(cursor, found.head)
  })
}

/** Any status but 200 would stop a browser's EventSource for ever, so being busy is told inside the stream. */
function refuseSoftly(
  reply: FastifyReply,
  encoding: Encoding,
  reason: Refusal,
  more: { readonly limit?: StreamLimit; readonly database?: DatabaseFaultName } = {},
): FastifyReply {
  // What would be kept for the next request is memory too.
  if (reason === 'memory' && reply.request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
  if (encoding.contentType !== sse.contentType) {
    const detail = `No stream can be opened now: ${reason}. Try again.`
    throw new Problem(503, 'stream-unavailable', detail, { retry_after: 2, ...more })
  }
  const id = echoOfBroughtId(reply.request)
  const data = { reason, ...more }
  return sayAndEnd(reply, encoding, { name: 'unavailable', data, ...(id !== undefined && { id }) })
}

function sayAndEnd(reply: FastifyReply, encoding: Encoding, notice: Notice): FastifyReply {
  const sink = reply.openSink(encoding.contentType)
  const parts = [encoding.retry(retryMs()), encoding.notice(notice)]
  sink.write(Payload.of(parts.filter(part => part !== undefined)))
  sink.end()
  return reply
}
