/**
 * The streams of the Durable Streams protocol: what the database does for its writers; and `reply.sendDurable(…)`, which sends a stream in
 * their form: a page at once (catch-up), a page when there is a message (long poll), or live as Server-Sent Events.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { reachOf } from '../src/auth/grants/reach.js'
import { DurableStreams } from '../src/durable-streams/durable-store.js'
import type { DurableStream } from '../src/durable-streams/durable-stream.js'
import { Expiry } from '../src/durable-streams/expiry.js'
import { type Content, contentOf } from '../src/durable-streams/reading/content.js'
import { type DurablePage, readDurablePage } from '../src/durable-streams/reading/durable-page.js'
import { entityTagOf } from '../src/durable-streams/reading/entity-tag.js'
import { formatOffset } from '../src/durable-streams/reading/offset.js'
import { durableEncoding, endedBlock } from '../src/durable-streams/reading/sse-encoding.js'
import { nextCursor } from '../src/durable-streams/reading/stream-cursor.js'
import { ShortLived } from '../src/durable-streams/short-lived.js'
import { whenClosed } from '../src/http/client-disconnect.js'
import { discontinuity } from '../src/hub/event-page.js'
import type { StartAt } from '../src/hub/start.js'
import { isKnown } from '../src/items/etag.js'
import type { StreamId } from '../src/log/event.js'
import { checkOf, parseEventId } from '../src/log/event-id.js'
import { notFound, Problem } from '../src/problems/problem.js'
import { broughtId } from '../src/sse/brought-id.js'
import { sse } from '../src/sse/encoding.js'
import { Payload } from '../src/sse/payload.js'
import { admitPage, readWaiting } from './event-pages.js'

declare module 'fastify' {
  interface FastifyInstance {
    durableStreams: DurableStreams
    /** Deletes the streams that have expired. */
    durableExpiry: Expiry
    /** Keeps the followed streams with a short TTL. */
    shortLived: ShortLived
    /** The path before the names of streams, such as `/v1/stream`, with the prefix of the gateway. */
    durableStreamsBase: string
  }
  interface FastifyReply {
    sendDurable(read: DurableRead): Promise<FastifyReply>
    /**
     * The stream of that name, which the caller may read.
     * @throws {Problem} 404, or 410 for a deleted stream that forks need.
     */
    findDurable(name: string, options: { readonly touch: boolean }): Promise<DurableStream>
  }
}

export interface DurableRead {
  readonly name: string
  readonly from: StartAt
  readonly live: 'long-poll' | 'sse' | undefined
  /** The cursor that the client has sent back. */
  readonly cursor: string | undefined
  /** Refuses a caller that may not see the stream, by its owner's rules. */
  assertVisible(): Promise<void>
}

export interface DurableStreamsOptions {
  /** The path before the names of streams, below that of the gateway. */
  readonly path: string
  /** How long a response of Server-Sent Events lasts, in milliseconds. */
  readonly sseMs: number
  /** How long a long poll waits, in milliseconds. */
  readonly waitMs: number
}

const MAX_MESSAGES = 1_000
/** The events of a full page change only by redaction. */
const FULL_PAGE = 'private, max-age=60, stale-while-revalidate=300'
const DIALECT = 'durable-streams'

export default fp<DurableStreamsOptions>(
  async (app, options) => {
    const { announce, database, log: logger, quota, tailer, tracing, wake } = app
    const onEnded = (ended: readonly StreamId[]) => {
      for (const id of ended) tailer.ends.expect(id)
      wake(ended)
    }
    const streams = new DurableStreams({
      ...{ database, tracing },
      admit: (...asked) => quota.admit(...asked),
      onCommitted: announce,
      onEnded,
    })
    const followed = () => tailer.streams.map(({ id }) => id)
    const expiry = new Expiry({ database, logger, followed, onEnded })
    const shortLived = new ShortLived({ database, logger })
    app.decorate('durableStreams', streams)
    app.decorate('durableStreamsBase', `${app.prefix}${options.path}`)
    app.decorate('durableExpiry', expiry)
    app.decorate('shortLived', shortLived)
    app.addHook('onReady', async () => expiry.start())
    app.addHook('onClose', async () => {
      await Promise.all([streams.close(), expiry.close(), shortLived.close()])
    })
    app.decorateReply('sendDurable', function (this: FastifyReply, read: DurableRead) {
      if (read.live === 'sse') return follow(app, this, read, options.sseMs)
      const waitMs = read.live === 'long-poll' ? options.waitMs : 0
      return admitPage(app, this, waitMs, () => sendPage(app, this, read, waitMs))
    })
    app.decorateReply('findDurable', async function (this: FastifyReply, name: string, { touch }) {
      const found = await app.durableStreams.find(reachOf(this.request.principal), name, { touch })
      if (found === undefined) throw notFound('stream')
      if (found !== 'gone') return found
      throw new Problem(410, 'stream-gone', 'The stream was deleted.')
    })
  },
  {
    name: 'durable-streams',
    dependencies: [
      'database',
      'follow',
      'grants',
      'hub',
      'rate-limit',
      'request-caller',
      'sse',
      'tailer',
      'tracing',
      'usage',
    ],
  },
)

async function sendPage(
  app: FastifyInstance,
  reply: FastifyReply,
  { name, from, live, cursor, assertVisible }: DurableRead,
  askedMs: number,
): Promise<FastifyReply> {
  const { request } = reply
  const { principal } = request
  const granted = await app.grants.toRead(request, name)
  await assertVisible()
  const found = await reply.findDurable(name, { touch: true })
  const content = contentOf(found.contentType)
  reply.header('content-type', found.contentType)
  if (live) reply.header('stream-cursor', nextCursor(cursor))
  if (live) keepWhileOpen(app, reply, found)
  if (from.at === 'now' && (!live || found.closed)) return sendTail(reply, found, content, live)
  const place: StartAt = from.at === 'now' ? { at: 'after', id: idOf(found) } : from
  const more = { stream: name, from: place, content, closed: found.closed, limit: MAX_MESSAGES }
  const wanted = { ...reachOf(principal), ...more, filter: granted.within(undefined) }
  const result = await readWaiting(app, reply, askedMs, granted, waiting =>
    readDurablePage(app.hub, app.database, { ...wanted, ...waiting }),
  )
  if (result.outcome === 'not-found') throw notFound('stream')
  if (result.outcome === 'reset') throw discontinuity(result.reset)
  return send(reply, result.page, live)
}

function send(reply: FastifyReply, page: DurablePage, live: DurableRead['live']): FastifyReply {
  const { next, isHead, isEnd, body, messages } = page
  reply.header('stream-next-offset', formatOffset(next.position))
  if (isHead) reply.header('stream-up-to-date', 'true')
  if (isEnd) reply.header('stream-closed', 'true')
  if (live && messages === 0 && isHead) return withoutBody(reply, isEnd)
  const etag = entityTagOf(page)
  const atRest = isHead ? 'private, no-cache' : FULL_PAGE
  reply.headers({ etag, 'cache-control': live ? 'no-store' : atRest })
  const known = reply.request.headers['if-none-match']
  if (!live && known !== undefined && isKnown(known, etag)) return reply.code(304).send()
  return reply.send(body)
}

/** Answers at the end of the stream, without a read. */
function sendTail(
  reply: FastifyReply,
  { head, closed }: DurableStream,
  content: Content,
  live: DurableRead['live'],
): FastifyReply {
  reply.headers({ 'stream-next-offset': formatOffset(head.position), 'stream-up-to-date': 'true' })
  if (closed) reply.header('stream-closed', 'true')
  if (live) return withoutBody(reply, closed)
  return reply.header('cache-control', 'no-store').send(Buffer.from(content === 'json' ? '[]' : ''))
}

function withoutBody(reply: FastifyReply, isEnd: boolean): FastifyReply {
  if (isEnd) reply.removeHeader('stream-cursor')
  reply.removeHeader('content-type')
  return reply.header('cache-control', 'no-store').code(204).send()
}

async function follow(
  app: FastifyInstance,
  reply: FastifyReply,
  { name, from, cursor, assertVisible }: DurableRead,
  lastsMs: number,
): Promise<FastifyReply> {
  const { request } = reply
  await app.spendBudget(request, reply)
  await app.grants.toRead(request, name)
  await assertVisible()
  const found = await reply.findDurable(name, { touch: true })
  const content = contentOf(found.contentType)
  if (content === 'bytes') reply.header('stream-sse-data-encoding', 'base64')
  const id = broughtId(request)
  keepWhileOpen(app, reply, found)
  return reply.follow({
    stream: name,
    encoding: durableEncoding({ content, cursor: nextCursor(cursor), lastsMs }),
    dialect: DIALECT,
    isCharged: true,
    // An EventSource that reconnects has more than the offset in its URL.
    from: id === undefined ? from : { at: 'after', id: parseEventId(id) ?? 'unknown' },
    atEnd(end) {
      // A 204 stops an EventSource for good; it got the end of the stream before. Clients of the protocol get the end in
      // the stream.
      if (id !== undefined) return reply.code(204).send()
      const sink = reply.openSink(sse.contentType)
      sink.write(Payload.of([endedBlock(end)]))
      sink.end()
      return reply
    },
  })
}

/** A stream does not expire while it is followed (PROTOCOL §5.1). */
function keepWhileOpen({ shortLived }: FastifyInstance, { raw }: FastifyReply, stream: DurableStream): void {
  whenClosed(raw, shortLived.keep(stream))
}

function idOf({ head: { position, eventId } }: DurableStream) {
  return { position, check: checkOf(eventId) }
}
