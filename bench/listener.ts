/**
 * One client: a raw socket that reads an event stream and checks it. Each event starts its data with `"n"`: it must
 * be the next number, or the sample is worthless.
 */
import { connect, type Socket } from 'node:net'
import { now } from './statistics.js'

const N = '{"n":'
/** A whole line. */
const ID = /^id: (\S+)\n/gm
const RETRY = /^retry: (\d+)\n/gm
/** A browser waits for seconds; all clients of a worker come back within this time. */
const RETURN_MS = 1_000
const READ_BYTES = 64 * 1_024
/** RFC 9112 §7.1. */
const LAST_CHUNK = '\r\n0\r\n\r\n'
/** If thousands connect at once, the kernel or a full worker resets some: like any client they reconnect, for so long. */
const GIVE_UP_MS = 90_000
/** Without an answer in this time it connects again: the kernel may have dropped a connection that it could not queue. */
const ANSWER_MS = 30_000
/** The ports of one address, and how far apart those of a client are. */
const PORTS = { first: 10_000, count: 50_000, apart: 1_000 }
/** One buffer for all sockets: the bytes are checked in the same turn. */
const buffer = Buffer.allocUnsafe(READ_BYTES)

export interface Target {
  readonly url: string
  readonly path: string
  readonly token: string
  /** The text by which it knows that its stream is open. */
  readonly greeting: string
}

/** Where a connection comes from. */
export interface Local {
  readonly localAddress: string
  readonly localPort: number
}

export interface ListenerOptions extends Target {
  /** Default: as the kernel chooses. */
  readonly local?: Local | undefined
  readonly lastEventId?: string | undefined
  /** The event that must come first. */
  readonly first: number
  /** Whether it stops reading when the stream is open. */
  readonly stalls: boolean
  /** Whether it comes back with its last event id when its stream is closed. */
  readonly returns?: boolean | undefined
  /** Where it comes back to instead, at random, after the time that its stream named: like a client behind a proxy. */
  readonly elsewhere?: readonly string[] | undefined
  /** Whether it records the arrival of each event. */
  readonly notes: boolean
  onEvent(listener: Listener): void
  onFault(reason: string): void
}

export class Listener {
  readonly arrivals: number[] = []
  /** When its streams opened again. */
  readonly reopened: number[] = []
  readonly #options: ListenerOptions
  #socket: Socket
  #closedAt = now()
  #connections = 0
  #rest = ''
  #heard = false
  #lastEventId: string | undefined
  #retryMs = RETURN_MS
  #stalled = false
  #opened: () => void = () => {}
  /** The event that came first, and the one that must arrive next. */
  readonly first: number
  next: number
  heartbeats = 0
  returned = 0
  readonly open: Promise<void>

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#lastEventId = options.lastEventId
    this.first = options.first
    this.next = options.first
    this.open = new Promise(resolve => {
      this.#opened = resolve
    })
    this.#socket = this.#connect()
  }

  /** Others are not waited for. */
  get reads(): boolean {
    return !this.#stalled
  }

  resume(): void {
    if (!this.#stalled) return
    this.#stalled = false
    this.#socket.resume()
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #connect(): Socket {
    const { url, local, onFault, elsewhere = [] } = this.#options
    const others = this.returned > 0 ? elsewhere : []
    const { hostname, port } = new URL(others[Math.floor(Math.random() * others.length)] ?? url)
    const socket = connect({
      host: hostname,
      port: Number(port),
      // The kernel may still hold the port of an earlier attempt.
      ...(local && { ...local, localPort: anotherPort(local.localPort, this.#connections) }),
      onread: { buffer, callback: length => this.#read(buffer.toString('latin1', 0, length)) },
    })
    this.#connections += 1
    let reason = 'A stream was closed.'
    socket.setTimeout(ANSWER_MS, () => {
      reason = 'A stream did not open in time.'
      socket.destroy()
    })
    socket.on('error', ({ message }) => {
      reason = message
    })
    socket.on('close', () => {
      if (this.#heard && this.#options.returns) this.#comeBack()
      else if (this.#heard || now() - this.#closedAt > GIVE_UP_MS * 1e6) onFault(reason)
      else this.#connectLater()
    })
    socket.write(requestOf(this.#options, this.#lastEventId))
    return socket
  }

  #comeBack(): void {
    this.#heard = false
    this.#closedAt = now()
    this.returned += 1
    this.#connectLater()
  }

  #connectLater(): void {
    this.#rest = ''
    const again = () => {
      this.#socket = this.#connect()
    }
    setTimeout(again, this.#options.elsewhere ? this.#retryMs : RETURN_MS * Math.random())
  }

  /** Returns whether to continue to read. */
  #read(chunk: string): boolean {
    const text = this.#rest + chunk
    const at = now()
    if (!this.#heard && text.includes(this.#options.greeting)) {
      this.#heard = true
      this.#socket.setTimeout(0)
      this.#stalled = this.#options.stalls
      this.#opened()
      if (this.returned > 0) this.reopened.push(at)
    }
    // Few events and heartbeats: such a client is not measured by its own CPU.
    if (this.#options.returns) {
      this.#lastEventId = [...text.matchAll(ID)].at(-1)?.[1] ?? this.#lastEventId
      this.#retryMs = Number([...text.matchAll(RETRY)].at(-1)?.[1] ?? this.#retryMs)
    }
    let from = 0
    for (;;) {
      const start = text.indexOf(N, from)
      const end = start < 0 ? -1 : text.indexOf('\n\n', start)
      if (end < 0) {
        // The greeting may arrive in pieces, too.
        const kept = start >= 0 ? start : this.#heard ? Math.max(from, text.length - N.length) : 0
        this.#rest = text.slice(kept)
        break
      }
      this.#note(Number.parseInt(text.slice(start + N.length, start + N.length + 10), 10), at)
      from = end
    }
    if (from === 0 && text.includes('heartbeat')) this.heartbeats += 1
    // The server may keep the connection after the end of the stream.
    if (this.#options.elsewhere && `\r\n${chunk}`.endsWith(LAST_CHUNK)) this.#socket.destroy()
    return !this.#stalled
  }

  #note(n: number, at: number): void {
    if (n !== this.next) this.#options.onFault(`A client got event ${n} instead of ${this.next}.`)
    this.next = n + 1
    if (this.#options.notes) this.arrivals.push(at)
    this.#options.onEvent(this)
  }
}

function anotherPort(port: number, connections: number): number {
  return PORTS.first + ((port - PORTS.first + connections * PORTS.apart) % PORTS.count)
}

function requestOf({ path, token }: ListenerOptions, lastEventId: string | undefined): string {
  return [
    `GET ${path} HTTP/1.1`,
    'Host: bench',
    'Accept: text/event-stream',
    `Authorization: Bearer ${token}`,
    ...(lastEventId === undefined ? [] : [`Last-Event-ID: ${lastEventId}`]),
    '\r\n',
  ].join('\r\n')
}
