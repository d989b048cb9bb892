/** A record of one SSE response: what arrived when, to the millisecond, and how it ended. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { pipeline, Transform } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip } from 'node:zlib'
import { createParser } from 'eventsource-parser'
import { elapsed } from '../../../src/process/deadline.js'
import { type GatewayProbe, reasonOf } from './gateway-probe.js'

const LOOK_AGAIN_MS = 5
const MAX_BLOCKS = 1_000

export interface Block {
  /** The SSE event name. */
  readonly name: string
  readonly id: string
  readonly data: string
  /** By performance.now(). */
  readonly at: number
}

export interface Head {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly httpVersion: string
}

export class StreamRecord {
  readonly openedAt = performance.now()
  head: Head | undefined
  firstByteAt: number | undefined
  lastByteAt: number | undefined
  readonly blocks: Block[] = []
  /** `closed`: the response was complete. `cut`: the connection broke before. */
  end: { readonly at: number; readonly how: 'closed' | 'cut'; readonly reason: string } | undefined
  readonly #abort = new AbortController()

  /** Opens the stream; everything else happens in the background until `close`. */
  constructor(gateway: GatewayProbe, path: string) {
    // As browsers ask: a proxy that compresses shows it.
    const headers = {
      accept: 'text/event-stream',
      'accept-encoding': 'gzip, br',
      'cache-control': 'no-cache',
    }
    gateway.send({ path, headers, signal: this.#abort.signal }).then(
      response => this.#read(response),
      error => this.#ended('cut', reasonOf(error)),
    )
  }

  /** Waits until `is` holds, the stream has ended, or the time is over. @returns whether it holds. */
  async until(is: (record: this) => boolean, ms: number, signal: AbortSignal): Promise<boolean> {
    const start = performance.now()
    while (!is(this)) {
      if (this.end || signal.aborted || performance.now() - start >= ms) return is(this)
      await elapsed(LOOK_AGAIN_MS)
    }
    return true
  }

  close(): void {
    this.end ??= { at: performance.now(), how: 'closed', reason: 'doctor' }
    this.#abort.abort()
  }

  #read(response: IncomingMessage): void {
    const { statusCode: status = 0, headers, httpVersion } = response
    this.head = { status, headers, httpVersion }
    const parser = createParser({
      onEvent: ({ event = 'message', id = '', data }) => {
        if (this.blocks.length < MAX_BLOCKS)
          this.blocks.push({ name: event, id, data, at: performance.now() })
      },
    })
    response.on('data', () => {
      this.lastByteAt = performance.now()
      this.firstByteAt ??= this.lastByteAt
    })
    const decoder = new TextDecoder()
    const bytes = pipeline(response, decompressor(headers['content-encoding']), error => {
      this.#ended(error ? 'cut' : 'closed', error ? reasonOf(error) : 'the response is complete')
    })
    bytes.on('data', (chunk: Buffer) => parser.feed(decoder.decode(chunk, { stream: true })))
  }

  #ended(how: 'closed' | 'cut', reason: string): void {
    this.end ??= { at: performance.now(), how, reason }
  }
}

/** Decompresses without waiting for more: passes on at once what the bytes so far unpack to. */
function decompressor(encoding: string | undefined): Transform {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = constants
  if (encoding === 'gzip') return createGunzip({ flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH })
  if (encoding === 'br') return createBrotliDecompress({ flush: BROTLI_OPERATION_FLUSH })
  return new Transform({ transform: (chunk, _, done) => done(null, chunk) })
}
