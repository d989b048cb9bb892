/** Writes a response byte by byte: the head as the case has it, and a body whose every write is a chunk of its own. */
import type { Socket } from 'node:net'
import { constants, createGzip, type Gzip } from 'node:zlib'
import type { Exchange } from './case.js'
import type { Request } from './request.js'

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
}
/** How long a client that reads may take to read what fills the buffers. Too short a time makes a case easier, never harder. */
const BLOCKED_MS = 500

/** Of one write, which is repeated until the client reads no more. */
const FILLING_BYTES = 64 * 1024

export class Response {
  readonly #chunked: boolean
  readonly #gzip: Gzip | undefined

  constructor(
    private readonly socket: Socket,
    private readonly exchange: Exchange,
    request: Request,
    /** Called before the client can see the end of the response. */
    private readonly ends: () => void,
  ) {
    this.#chunked = (exchange.framing ?? 'chunked') === 'chunked' && exchange.body === undefined
    const allowed = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
    this.#gzip = exchange.gzip && allowed ? createGzip() : undefined
  }

  async head(): Promise<void> {
    const { status = 200, framing, body, trailers } = this.exchange
    const headers = new Map<string, string | null>()
    if (status === 200) headers.set('content-type', 'text/event-stream').set('cache-control', 'no-store')
    if (framing !== 'http10') headers.set('connection', 'close')
    if (this.#gzip) headers.set('content-encoding', 'gzip')
    if (trailers) headers.set('trailer', Object.keys(trailers).join(', '))
    if (this.#chunked && status !== 204) headers.set('transfer-encoding', 'chunked')
    if (body !== undefined) headers.set('content-length', String(Buffer.byteLength(body)))
    for (const [name, value] of Object.entries(this.exchange.headers ?? {})) headers.set(name, value)
    const lines = [...headers]
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name}: ${value}\r\n`)
    const version = framing === 'http10' ? '1.0' : '1.1'
    await this.#send(
      Buffer.from(`HTTP/${version} ${status} ${REASONS[status] ?? 'Status'}\r\n${lines.join('')}\r\n`),
    )
    if (body !== undefined) {
      this.ends()
      await this.#send(Buffer.from(body))
    }
  }

  async write(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return
    const coded = this.#gzip ? await compress(this.#gzip, bytes) : bytes
    await this.#send(this.#chunked ? inChunk(coded) : coded)
  }

  /**
   * Writes a text again and again until the client reads no more.
   * @returns the bytes that were written, at most about `most`: then the client still read.
   */
  async fill(text: string, most: number): Promise<number> {
    const bytes = Buffer.from(text.repeat(Math.ceil(FILLING_BYTES / text.length)))
    for (let sent = 0; ; sent += bytes.length) {
      if (sent > most || this.socket.destroyed) return sent
      let timer: NodeJS.Timeout | undefined
      const blocked = new Promise<boolean>(resolve => {
        timer = setTimeout(resolve, BLOCKED_MS, true)
      })
      const written = this.write(bytes).then(() => false)
      const isBlocked = await Promise.race([written, blocked]).finally(() => clearTimeout(timer))
      if (isBlocked) return sent
    }
  }

  /** Ends the response as HTTP has it, so that the client knows that it has everything. */
  async end(): Promise<void> {
    // With a body the client has seen the end already.
    if (this.exchange.body === undefined) this.ends()
    if (this.#chunked && this.exchange.status !== 204) {
      if (this.#gzip) await this.#send(inChunk(await compress(this.#gzip, Buffer.alloc(0), true)))
      const trailers = Object.entries(this.exchange.trailers ?? {}).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      )
      await this.#send(Buffer.from(`0\r\n${trailers.join('')}\r\n`))
    }
    this.socket.end()
  }

  /** Breaks the connection off in the middle of the response. */
  cut(how: 'close' | 'reset'): void {
    this.ends()
    if (how === 'reset') this.socket.resetAndDestroy()
    else this.socket.end()
  }

  /** Resolves when the bytes are with the kernel, or the client has gone. */
  async #send(bytes: Buffer): Promise<void> {
    if (this.socket.destroyed) return
    await new Promise<void>(resolve => {
      this.socket.write(bytes, () => resolve())
    })
  }
}

function inChunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

/** The compressed bytes of everything up to here, so that the client can read it at once. */
async function compress(gzip: Gzip, bytes: Buffer, last = false): Promise<Buffer> {
  const made: Buffer[] = []
  const keep = (chunk: Buffer) => made.push(chunk)
  gzip.on('data', keep)
  gzip.write(bytes)
  await new Promise<void>(resolve => {
    if (last) gzip.end().once('end', resolve)
    else gzip.flush(constants.Z_SYNC_FLUSH, resolve)
  })
  gzip.off('data', keep)
  return Buffer.concat(made)
}
