/**
 * Plays the server of one case. The requests of the client are answered in the order of their arrival: the first one by the first
 * exchange, and so on. A request that differs from its exchange, or that no exchange is left for, is a fault of the client.
 *
 * It listens on two ports, since a redirect to another port leads to another origin.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Case, Exchange, Step } from './case.js'
import { type Request, readRequest } from './request.js'
import { Response } from './response.js'

/** Between two pieces of a text, so that the client reads them one by one. */
const BETWEEN_PIECES_MS = 1

/** The runner of a case, as the server of that case sees it. */
export interface Surroundings {
  /** Resolves when the client has been seen to do this so many times. */
  seen(kind: string, count: number): Promise<void>
  tell(command: 'go' | 'restart' | 'close'): void
  /** Pauses last this many times as long as the case says. */
  readonly slowness: number
  /** The number of requests or of connections has changed. */
  changed(): void
  fault(text: string): void
}

export class AwkwardServer {
  #requests = 0
  #next = 0
  #played = 0
  #endedAt = 0
  readonly #sockets = new Set<Socket>()

  private constructor(
    private readonly story: Case,
    private readonly around: Surroundings,
    private readonly servers: readonly Server[],
  ) {
    for (const [index, server] of servers.entries()) {
      server.on('connection', socket => void this.#serve(socket, index === 0 ? 'first' : 'other'))
    }
  }

  static async start(story: Case, around: Surroundings): Promise<AwkwardServer> {
    const servers = [createServer({ noDelay: true }), createServer({ noDelay: true })]
    for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
    return new AwkwardServer(story, around, servers)
  }

  /** The origin that the client is started with. */
  get url(): string {
    return urlOf(this.servers[0])
  }

  get requests(): number {
    return this.#requests
  }

  /** Connections that the client keeps. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Whether an exchange is left that must take place. */
  get isWaiting(): boolean {
    return this.story.serve.slice(this.#next).some(({ times }) => times !== 'any')
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.servers.map(server => new Promise(resolve => server.close(resolve))))
  }

  async #serve(socket: Socket, origin: 'first' | 'other'): Promise<void> {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.around.changed()
    })
    const request = await readRequest(socket)
    if (!request) return
    const arrived = performance.now()
    this.#requests += 1
    const exchange = this.#take()
    if (!exchange) {
      this.around.fault(
        `sent request ${this.#requests}, ${request.method} ${request.path}, which nothing was left for`,
      )
      socket.destroy()
      return
    }
    for (const fault of this.#faultsOf(request, exchange, origin, arrived)) {
      this.around.fault(`request ${this.#requests}: ${fault}`)
    }
    this.around.changed()
    await this.#play(exchange, socket, request)
  }

  /** The exchange whose turn it is. */
  #take(): Exchange | undefined {
    const exchange = this.story.serve[this.#next]
    this.#played += 1
    if (exchange?.times !== 'any' && this.#played >= Number(exchange?.times ?? 1)) {
      this.#next += 1
      this.#played = 0
    }
    return exchange
  }

  *#faultsOf(request: Request, { request: expected = {} }: Exchange, origin: string, arrived: number) {
    const { method, path, body, json, headers = {}, after_ms: afterMs } = expected
    if (method !== undefined && request.method !== method)
      yield `method ${request.method} instead of ${method}`
    if (path !== undefined && comparable(request.path) !== comparable(path))
      yield `path ${request.path} instead of ${path}`
    if (body !== undefined && request.body !== body)
      yield `body ${JSON.stringify(request.body)} instead of ${JSON.stringify(body)}`
    if (json !== undefined && !isDeepStrictEqual(parsed(request.body), json))
      yield `body ${JSON.stringify(request.body)} instead of ${JSON.stringify(json)}`
    if (expected.origin !== undefined && origin !== expected.origin)
      yield `at the ${origin} origin instead of the ${expected.origin}`
    for (const [name, value] of Object.entries(headers)) {
      const sent = request.headers.get(name.toLowerCase()) ?? null
      if (sent !== value) yield `header ${name}: ${JSON.stringify(sent)} instead of ${JSON.stringify(value)}`
    }
    const waited = arrived - this.#endedAt
    // A clock with whole milliseconds may be one ahead.
    if (afterMs !== undefined && waited < afterMs - 1)
      yield `came after ${Math.round(waited)} ms instead of at least ${afterMs} ms`
  }

  async #play(exchange: Exchange, socket: Socket, request: Request): Promise<void> {
    // Before the client can see the end, so that its wait is never measured too short.
    const ends = () => {
      this.#endedAt = performance.now()
    }
    if (exchange.answer === 'reset') {
      ends()
      socket.resetAndDestroy()
      return
    }
    if (exchange.answer !== 'none') {
      const response = new Response(socket, this.#withUrls(exchange), request, ends)
      await response.head()
      if (exchange.log) await this.#replay(exchange, response, request)
      for (const step of exchange.steps ?? []) await this.#step(step, response)
      if (exchange.steps === undefined && !exchange.log) await response.end()
    }
  }

  /** Sends the blocks of the log after the one whose id the request names, or all of them. */
  async #replay({ cut_after: cutAfter }: Exchange, response: Response, request: Request): Promise<void> {
    const log = this.story.log ?? []
    const id = request.headers.get('last-event-id')
    const found = log.findIndex(block => /^id: ?(.*)$/m.exec(block)?.[1] === id)
    if (id !== undefined && found === -1)
      this.around.fault(`Last-Event-ID ${JSON.stringify(id)} is none of the log`)
    const bytes = Buffer.from(log.slice(found + 1).join(''))
    await response.write(cutAfter === undefined ? bytes : bytes.subarray(0, cutAfter))
    if (cutAfter !== undefined) response.cut('close')
  }

  async #step(step: Step, response: Response): Promise<void> {
    if (typeof step === 'string') return await response.write(Buffer.from(step))
    if ('hex' in step) return await response.write(Buffer.from(step.hex.replace(/\s/g, ''), 'hex'))
    if ('times' in step) return await response.write(Buffer.from(repeated(step.text, step.times)))
    if ('pieces' in step) return await writePieces(response, Buffer.from(step.text), step.pieces)
    if ('borders' in step) return await writeAtBorders(response, Buffer.from(step.borders))
    if ('pause_ms' in step) return await sleep(step.pause_ms * this.around.slowness)
    if ('seen' in step) return await this.around.seen(step.seen, step.count)
    if ('tell' in step) return this.around.tell(step.tell)
    if ('end' in step) return await response.end()
    if ('cut' in step) return response.cut(step.cut)
    const most = step.most_mib * 1024 * 1024
    const read = await response.fill(step.fill, most)
    if (read > most)
      this.around.fault(`read more than ${step.most_mib} MiB while the application handled one event`)
  }

  /** `$url` and `$other` in a header stand for the two origins. */
  #withUrls(exchange: Exchange): Exchange {
    const [url, other] = this.servers.map(urlOf)
    const put = (text: string) => text.replaceAll('$url', url ?? '').replaceAll('$other', other ?? '')
    const headers = Object.entries(exchange.headers ?? {}).map(([name, value]) => [
      name,
      value === null ? null : put(value),
    ])
    return { ...exchange, headers: Object.fromEntries(headers) }
  }
}

/** Parameters may come in any order, and encode more than they must. */
function comparable(path: string): string {
  const url = new URL(path, 'http://host')
  url.searchParams.sort()
  return `${url.pathname}?${url.searchParams}`
}

/** The value of a JSON text; of any other text undefined, which no case expects. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function urlOf(server: Server | undefined): string {
  const address = server?.address() satisfies string | AddressInfo | null | undefined
  return typeof address === 'object' && address ? `http://127.0.0.1:${address.port}` : ''
}

/** `$n` in the text is the number of the repetition, from 1. */
function repeated(text: string, times: number): string {
  if (!text.includes('$n')) return text.repeat(times)
  return Array.from({ length: times }, (_, index) => text.replaceAll('$n', String(index + 1))).join('')
}

async function writePieces(response: Response, bytes: Buffer, size: number): Promise<void> {
  for (let start = 0; start < bytes.length; start += size) {
    await response.write(bytes.subarray(start, start + size))
    await sleep(BETWEEN_PIECES_MS)
  }
}

/** The text once for each border between two of its bytes, divided there. */
async function writeAtBorders(response: Response, bytes: Buffer): Promise<void> {
  for (let border = 1; border < bytes.length; border += 1) {
    for (const piece of [bytes.subarray(0, border), bytes.subarray(border)]) {
      await response.write(piece)
      await sleep(BETWEEN_PIECES_MS)
    }
  }
}
