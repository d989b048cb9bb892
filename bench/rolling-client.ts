/**
 * A client of several gateways, as a browser's EventSource is one: when its stream ends, it waits for as long as `retry` said and
 * connects again with its last event id. It checks that event n + 1 follows event n, over all connections.
 */
import { connect, type Socket } from 'node:net'

const N = '{"n":'
/** Until a gateway says otherwise. */
const RETRY_MS = 3_000
const READ_BYTES = 16 * 1_024
const buffer = Buffer.allocUnsafe(READ_BYTES)

/** A gateway, as a balancer in front of it knows it. */
export interface Upstream {
  readonly port: number
  isReady: boolean
  /** Open connections. */
  clients: number
  /** Connections that were opened, by second of the measurement. */
  readonly connects: number[]
}

export interface RollingClientOptions {
  /** Chooses the gateway for the next connection; undefined: none is ready. */
  choose(): Upstream | undefined
  readonly token: string
  onConnect(upstream: Upstream): void
  onFault(reason: string): void
}

export class RollingClient {
  /** The event that must arrive next. */
  next = 0
  /** How often a gateway has refused it. */
  refusals = 0
  /** Whether it has a stream. */
  isOpen = false
  /** Resolves when its first stream is open. */
  readonly open: Promise<void>
  readonly #options: RollingClientOptions
  #opened: () => void = () => {}
  #socket: Socket | undefined
  #lastEventId: string | undefined
  /** Of the block that is being read; it counts once the block is complete (WHATWG HTML §9.2.6). */
  #blockId: string | undefined
  #retryMs = RETRY_MS
  #rest = ''
  #closed = false

  constructor(options: RollingClientOptions) {
    this.#options = options
    this.open = new Promise(resolve => {
      this.#opened = resolve
    })
    this.#connect()
  }

  close(): void {
    this.#closed = true
    this.#socket?.destroy()
  }

  #connect(): void {
    const { choose, token, onConnect } = this.#options
    const upstream = this.#closed ? undefined : choose()
    if (!upstream) {
      this.#connectLater()
      return
    }
    this.#rest = ''
    this.#blockId = this.#lastEventId
    upstream.clients += 1
    const socket = connect({
      host: '127.0.0.1',
      port: upstream.port,
      onread: { buffer, callback: length => this.#read(buffer.toString('latin1', 0, length)) },
    })
    this.#socket = socket
    socket.on('connect', () => onConnect(upstream))
    socket.on('error', () => undefined)
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      upstream.clients -= 1
      this.isOpen = false
      this.#connectLater()
    })
    const id = this.#lastEventId === undefined ? '' : `Last-Event-ID: ${this.#lastEventId}\r\n`
    socket.write(
      `GET /api/events HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n${id}\r\n`,
    )
  }

  #connectLater(): void {
    if (!this.#closed) setTimeout(() => this.#connect(), this.#retryMs)
  }

  /** Returns whether to continue to read. */
  #read(chunk: string): boolean {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('id: ')) this.#blockId = line.slice('id: '.length)
      else if (line === '') this.#lastEventId = this.#blockId
      else if (line.startsWith('retry: ')) this.#retryMs = Number(line.slice('retry: '.length))
      else if (line === 'event: server.state') this.#hasOpened()
      else if (line === 'event: unavailable') this.refusals += 1
      else if (line === 'event: reset') this.#options.onFault('A client got a reset.')
      // The last chunk (RFC 9112 §7.1): the connection itself stays open.
      else if (line === '0\r') this.#socket?.destroy()
      else if (line.startsWith(`data: ${N}`)) this.#note(Number.parseInt(line.slice(`data: ${N}`.length), 10))
    }
    return true
  }

  #hasOpened(): void {
    this.isOpen = true
    this.#opened()
  }

  #note(n: number): void {
    if (n !== this.next) this.#options.onFault(`A client got event ${n} instead of ${this.next}.`)
    this.next = n + 1
  }
}
