/** The console on a feed that a test plays by hand: it decides what is replayed, what comes, and when a stream breaks. */
import type { ServerResponse } from 'node:http'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import console from '../../plugins/console.js'

export interface StandInFeed {
  readonly url: string
  /** The `Authorization` of each request for a ticket. */
  readonly asked: (string | undefined)[]
  /** The query and headers of each stream that was opened. */
  readonly opened: { query: Record<string, string>; lastEventId: string | undefined }[]
  /** Stores an event and sends it to whoever is connected. */
  publish(type: string, data: object): void
  /** Sends a frame as it is. */
  send(frame: string): void
  /** Cuts every stream. */
  cut(): void
  /** From now on the tickets of before open nothing. */
  endTickets(): void
  /** From now on tickets, streams and pages are refused with this. */
  refuse(status: number, detail: string): void
}

interface Stored {
  readonly id: string
  readonly position: number
  readonly type: string
  readonly at: string
  readonly data: object
}

type FeedRequest = FastifyRequest<{ Querystring: Record<string, string> }>

/** When everything in the stand-in's log happened: long ago, so that it cannot be taken for now. */
export const LOGGED_AT = '2026-01-02T03:04:05.000Z'

export async function startStandInFeed(t: Test): Promise<StandInFeed> {
  const log: Stored[] = []
  const asked: StandInFeed['asked'] = []
  const opened: StandInFeed['opened'] = []
  const streams = new Set<ServerResponse>()
  let over = 0
  let refusal: { status: number; detail: string } | undefined

  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(console)

  app.get('/api/events', { config: { access: 'viewer' } }, (request: FeedRequest, reply) => {
    if (refusal) return reply.code(refusal.status).send(refusal)
    return request.headers.accept === 'application/json' ? page(request) : stream(request, reply)
  })
  app.post('/api/stream-tickets', { config: { access: 'viewer' } }, async (request, reply) => {
    if (refusal) return reply.code(refusal.status).send(refusal)
    asked.push(request.headers.authorization)
    const { path } = Object(request.body)
    return reply.code(201).send({ url: `${path}&ticket=${asked.length}` })
  })
  app.post('/api/items', { config: { access: 'editor' } }, async (request, reply) => {
    publish('item.created', Object(request.body))
    return reply.code(201).send(request.body)
  })

  function page({ query }: FeedRequest) {
    const after = Number.parseInt(query.after ?? '0', 10)
    const events = log.filter(({ position }) => position > after).slice(0, Number(query.limit))
    return Promise.resolve({ events, next: events.at(-1)?.id ?? `${after}`, head: log.at(-1)?.id ?? '0' })
  }

  function stream({ query, headers }: FeedRequest, reply: FastifyReply) {
    const lastEventId = headers['last-event-id']
    if (Number(query.ticket) <= over) return reply.code(401).send({ detail: 'The ticket is not good.' })
    opened.push({ query, lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined })
    const after = Number.parseInt(
      String(lastEventId ?? query.last_event_id ?? Math.max(0, log.length - Number(query.last))),
      10,
    )
    reply.hijack()
    const response = reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
    streams.add(response)
    response.write(`retry: 50\n\nid: ${after}\nevent: server.state\ndata: {"mode":"normal"}\n\n`)
    for (const event of log.slice(after)) response.write(frameOf(event))
    return reply
  }

  function publish(type: string, data: object) {
    const position = log.length + 1
    const event = { id: `${position}.aaaaaa`, position, type, at: LOGGED_AT, data }
    log.push(event)
    send(frameOf(event))
  }

  function send(frame: string) {
    for (const response of streams) response.write(frame)
  }

  function cut() {
    for (const response of streams) response.destroy()
    streams.clear()
  }

  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const refuse = (status: number, detail: string) => {
    refusal = { status, detail }
  }
  const endTickets = () => {
    over = asked.length
  }
  return { url, asked, opened, publish, send, cut, endTickets, refuse }
}

function frameOf({ id, type, data }: Stored): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
