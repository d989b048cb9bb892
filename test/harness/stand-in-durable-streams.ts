/**
 * A small server of durable streams, for faults that a real gateway does not have on demand: answers that are lost after the request was
 * carried out, 503, slow answers, another writer between two requests. It follows the protocol (PUT, POST with producers and Stream-Seq,
 * closing, GET, HEAD), and nothing else.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

interface Kept {
  readonly messages: unknown[]
  isClosed: boolean
  lastSeq: string
  readonly producers: Map<string, { epoch: number; seq: number }>
}

export interface Request {
  readonly method: string
  readonly body: string
  readonly headers: IncomingMessage['headers']
}

/**
 * What happens to a request: `lost` carries it out and closes the connection without an answer, `refused` closes it at once,
 * `unavailable` answers 503, `too-large` 413.
 */
export type Fault = 'none' | 'lost' | 'refused' | 'unavailable' | 'too-large'

export interface StandInStreams {
  readonly url: string
  readonly requests: readonly Request[]
  messagesOf(name: string): readonly unknown[]
  isClosed(name: string): boolean
}

/** @param faultOf the fault of a request, after which it may wait. */
export async function startStandIn(
  t: Test,
  faultOf: (request: Request, count: number) => Fault | Promise<Fault> = () => 'none',
): Promise<StandInStreams> {
  const streams = new Map<string, Kept>()
  const requests: Request[] = []
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part)
    const request = {
      method: incoming.method ?? '',
      body: Buffer.concat(parts).toString(),
      headers: incoming.headers,
    }
    requests.push(request)
    const fault = await faultOf(request, requests.length)
    if (fault === 'unavailable') response.writeHead(503).end()
    if (fault === 'too-large') response.writeHead(413).end()
    if (fault === 'refused') incoming.socket.destroy()
    if (fault !== 'none' && fault !== 'lost') return
    const name = decodeURIComponent(new URL(incoming.url ?? '', 'http://stand-in').pathname).slice(
      '/v1/stream/'.length,
    )
    const answer = answerOf(streams, name, request)
    if (fault === 'lost') incoming.socket.destroy()
    else send(response, answer)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    messagesOf: name => streams.get(name)?.messages ?? [],
    isClosed: name => streams.get(name)?.isClosed ?? false,
  }
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body)
}

function answerOf(streams: Map<string, Kept>, name: string, request: Request): Answer {
  const stream = streams.get(name)
  if (request.method === 'PUT') {
    if (stream) return { status: stream.isClosed ? 409 : 200 }
    streams.set(name, { messages: [], isClosed: false, lastSeq: '', producers: new Map() })
    return { status: 201 }
  }
  if (!stream) return { status: 404 }
  const closed: Record<string, string> = stream.isClosed ? { 'Stream-Closed': 'true' } : {}
  const headers = {
    ...closed,
    'Stream-Next-Offset': String(stream.messages.length),
    'Stream-Up-To-Date': 'true',
  }
  if (request.method === 'POST') return append(stream, request)
  return { status: 200, headers, ...(request.method === 'GET' && { body: JSON.stringify(stream.messages) }) }
}

function append(stream: Kept, { headers, body }: Request): Answer {
  const [id, epoch, seq] = ['producer-id', 'producer-epoch', 'producer-seq'].map(name =>
    String(headers[name]),
  )
  const given = { epoch: Number(epoch), seq: Number(seq) }
  const state = stream.producers.get(id ?? '')
  const isNewer = !state || given.epoch > state.epoch
  if (state && given.epoch < state.epoch)
    return { status: 403, headers: { 'Producer-Epoch': String(state.epoch) } }
  if (!isNewer && given.seq <= state.seq) return { status: 204 }
  if (given.seq !== (isNewer ? 0 : state.seq + 1))
    return { status: 409, headers: { 'Producer-Expected-Seq': String((state?.seq ?? -1) + 1) } }
  if (stream.isClosed) return { status: 409, headers: { 'Stream-Closed': 'true' } }
  const streamSeq = String(headers['stream-seq'])
  if (streamSeq <= stream.lastSeq) return { status: 409 }
  stream.producers.set(id ?? '', given)
  if (body) stream.messages.push(...JSON.parse(body))
  if (body) stream.lastSeq = streamSeq
  stream.isClosed = headers['stream-closed'] === 'true'
  return { status: body ? 200 : 204 }
}
