/**
 * Decorates replies with `reply.followConsumer(…)`, which hands out the events of a consumer live, and
 * `reply.sendConsumerPage(…)`, which sends a page of them. Both answer like the streams and pages of the log (follow.ts,
 * event-pages.ts), but their client must hold the consumer.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { reachOf } from '../src/auth/grants/reach.js'
import type { StreamGrant } from '../src/auth/grants/stream-grant.js'
import type { Consumer, Epoch } from '../src/consumers/consumer.js'
import { type ConsumerPageResult, ConsumerPages } from '../src/consumers/consumer-pages.js'
import type { Hold } from '../src/consumers/hold.js'
import { consumerHeld } from '../src/consumers/hold-problem.js'
import { pageText } from '../src/consumers/page-text.js'
import { disconnectSignal, wasSent, whenClosed } from '../src/http/client-disconnect.js'
import { discontinuity } from '../src/hub/event-page.js'
import { EventFilter } from '../src/log/event-filter.js'
import type { EventId } from '../src/log/event-id.js'
import { notFound } from '../src/problems/problem.js'
import type { Encoding } from '../src/sse/encoding.js'
import { admitPage, readWaiting } from './event-pages.js'

declare module 'fastify' {
  interface FastifyReply {
    followConsumer(holding: Holding, encoding: Encoding): Promise<FastifyReply>
    sendConsumerPage(holding: Holding, page: PageQuery): Promise<FastifyReply>
  }
}

export interface Holding {
  readonly name: string
  /** Finds the consumer, if the caller may see it. Called once the request is charged to the caller. */
  readonly find: () => Promise<Consumer>
  /** The epoch that the client got before. A new stream with the present epoch takes the place of the client's earlier one. */
  readonly epoch: number | undefined
  readonly takeover: boolean
}

export interface PageQuery {
  /** The last event that the client has got with the epoch. */
  readonly after: EventId | undefined
  readonly limit: number
  readonly waitMs: number
  readonly form: 'application/json' | 'application/x-ndjson'
}

interface PageReadRequest extends Holding, Omit<PageQuery, 'form'> {
  readonly consumer: Consumer
  readonly granted: StreamGrant
}

const EPOCH = 'sluice-consumer-epoch'

export default fp(
  async app => {
    const pages = new ConsumerPages(app.hub, app.database)
    app.decorateReply('followConsumer', function (this: FastifyReply, ...given) {
      return follow(app, this, ...given)
    })
    app.decorateReply('sendConsumerPage', function (this: FastifyReply, ...given) {
      return sendPage(app, pages, this, ...given)
    })
  },
  {
    name: 'consumer-streams',
    dependencies: ['consumer-holds', 'follow', 'hub', 'grants', 'request-caller', 'database'],
  },
)

async function follow(
  app: FastifyInstance,
  reply: FastifyReply,
  { name, find, epoch, takeover }: Holding,
  encoding: Encoding,
): Promise<FastifyReply> {
  const { principal, method } = reply.request
  let hold: Hold | undefined
  const claim = async (consumer: Consumer) => {
    // The client proves by the epoch that it is the holder, whose stream has not been noticed to be gone.
    const mayTakeOver = takeover || epoch === consumer.epoch
    hold = await app.holds.claim(consumer, principal.id, mayTakeOver, disconnectSignal(reply.raw))
    if (!hold) throw consumerHeld()
    reply.header(EPOCH, hold.claim.epoch)
    return { frames: [], from: hold.start }
  }
  let found: Consumer | undefined
  try {
    return await reply.follow({
      stream: name,
      encoding,
      from: { at: 'now' },
      async locate() {
        found = await find()
        return { stream: found.stream, filter: filterOf(found) }
      },
      // A HEAD request gets no events, so it must not take the consumer from anybody.
      opening: async () => (found && method !== 'HEAD' ? await claim(found) : { frames: [] }),
      window: () => hold,
    })
  } finally {
    hold?.abandon()
  }
}

async function sendPage(
  app: FastifyInstance,
  pages: ConsumerPages,
  reply: FastifyReply,
  holding: Holding,
  { form, ...query }: PageQuery,
): Promise<FastifyReply> {
  return await admitPage(app, reply, query.waitMs, async () => {
    const { consumer, granted } = await authorized(app, reply, holding)
    // A HEAD request must not take the consumer from anybody.
    if (reply.request.method === 'HEAD') return reply.type(form).send('')
    const result = await readPage(app, pages, reply, { ...holding, ...query, consumer, granted })
    if (result.outcome === 'not-found') throw notFound('stream')
    if (result.outcome === 'reset') throw discontinuity(result.reset)
    const { page } = result
    // The client may have left while the page was noted, and a page that needs too much memory becomes a 503.
    whenClosed(reply.raw, () => {
      if (reply.raw.statusCode !== 200 || !wasSent(reply.raw))
        void pages.unsent(holding.epoch, page).catch(() => undefined)
    })
    return reply.header(EPOCH, page.epoch).type(form).send(pageText(page, form))
  })
}

async function authorized(app: FastifyInstance, { request }: FastifyReply, { find }: Holding) {
  const consumer = await find()
  return { consumer, granted: await app.grants.toRead(request, consumer.stream, 'consumer') }
}

async function readPage(
  app: FastifyInstance,
  pages: ConsumerPages,
  reply: FastifyReply,
  { consumer, granted, epoch, after, takeover, limit, waitMs }: PageReadRequest,
): Promise<ConsumerPageResult> {
  const { principal } = reply.request
  const wanted = {
    consumer,
    epoch: epoch as Epoch | undefined,
    after,
    takeover,
    holder: principal.id,
    ...reachOf(principal),
    filter: granted.within(filterOf(consumer)),
    limit,
  }
  let found: ConsumerPageResult | undefined
  try {
    return await readWaiting(app, reply, waitMs, granted, async waiting => {
      found = await pages.read({ ...wanted, ...waiting })
      return found
    })
  } catch (error) {
    // The credentials have ended while the page was noted.
    if (found?.outcome === 'page') await pages.unsent(epoch, found.page).catch(() => undefined)
    throw error
  }
}

function filterOf({ types, where }: Consumer): EventFilter | undefined {
  return EventFilter.of({ types: types ?? undefined, where: where ?? undefined })
}
