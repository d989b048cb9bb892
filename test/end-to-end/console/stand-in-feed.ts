/** The console on a feed that a test plays by hand: the test decides what is replayed, what is sent, when a stream breaks. */
import type { ServerResponse } from 'node:http'
import Fastify, { type FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import caller from '../../../plugins/caller.js'
import console from '../../../plugins/console.js'
import { claimsOf } from '../../harness/tokens.js'

export interface StandInFeed {
  readonly url: string
  /** The query, and two headers, of each stream that was asked for. */
  readonly asked: { query: Record<string, string>; authorization?: string; lastEventId?: string }[]
  /** Stores an event and sends it to each client. */
  publish(type: string, data: object): void
  /** Sends a line as it is. */
  send(document: object): void
  /** Cuts every stream. */
  cut(): void
  /** From now on streams are refused with this; undefined: no longer. */
  refuse(problem: { status: number; title?: string; detail: string } | undefined): void
  /** While it is held, a new stream gets no event of the past. */
  holdReplay(isHeld: boolean): void
}

interface Stored {
  readonly id: string
  readonly position: number
  readonly type: string
  readonly at: string
  readonly event_id: string
  readonly data: object
}

type FeedRequest = FastifyRequest<{ Querystring: Record<string, string> }>

/** When everything in the stand-in's log happened: long ago, so that it cannot be taken for now. */
export const LOGGED_AT = '2026-01-02T03:04:05.000Z'

export async function startStandInFeed(t: Test): Promise<StandInFeed> {
  const log: Stored[] = []
  const asked: StandInFeed['asked'] = []
  const streams = new Set<ServerResponse>()
  let isReplayHeld = false
  const held: (() => void)[] = []
  let refusal: Parameters<StandInFeed['refuse']>[0]

  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(caller)
  await app.register(console)

  app.get('/api/events', { config: { access: 'viewer' } }, async ({ query, headers }: FeedRequest, reply) => {
    const { authorization, 'last-event-id': lastEventId } = headers
    if (refusal) return reply.code(refusal.status).send(refusal)
    if (headers.accept === 'application/json') {
      const head = log.at(-1)?.id ?? '0'
      return { events: query.from === 'now' ? [] : log, next: head, head }
    }
    asked.push({
      query,
      ...(authorization && { authorization }),
      ...(lastEventId && { lastEventId: `${lastEventId}` }),
    })
    const after = Number.parseInt(`${lastEventId ?? Math.max(0, log.length - Number(query.last))}`, 10)
    reply.hijack()
    const response = reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson' })
    streams.add(response)
    const hello = { id: `${after}`, type: 'server.state', data: { mode: 'normal' } }
    response.write(lineOf(hello))
    const replay = () => log.slice(after).map(document => response.write(lineOf(document)))
    if (isReplayHeld) held.push(replay)
    else replay()
    return reply
  })
  app.get('/api/principal', { config: { access: 'viewer' } }, async ({ headers }, reply) => {
    if (refusal?.status === 401) return reply.code(401).send(refusal)
    const { sub: id, workspace, role } = claimsOf(headers.authorization?.replace('Bearer ', '') ?? '')
    return { id, workspace, role, grants: null, expires_at: null, is_operator: false, parts: [] }
  })
  app.post('/api/events', { config: { access: 'editor' } }, async (request, reply) => {
    const { type, data } = request.body as { type: string; data: object }
    publish(type, data)
    return reply.code(201).send({ events: [{ position: log.length }] })
  })

  function publish(type: string, data: object) {
    const position = log.length + 1
    const event = {
      id: `${position}.aaaaaa`,
      position,
      type,
      at: LOGGED_AT,
      event_id: `uuid-${position}`,
      data,
    }
    log.push(event)
    send(event)
  }

  function send(document: object) {
    for (const response of streams) response.write(lineOf(document))
  }

  function cut() {
    for (const response of streams) response.destroy()
    streams.clear()
  }

  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const refuse: StandInFeed['refuse'] = problem => {
    refusal = problem
  }
  const holdReplay: StandInFeed['holdReplay'] = isHeld => {
    isReplayHeld = isHeld
    if (!isHeld) for (const replay of held.splice(0)) replay()
  }
  return { url, asked, publish, send, cut, refuse, holdReplay }
}

function lineOf(document: object): string {
  return `${JSON.stringify(document)}\n`
}
