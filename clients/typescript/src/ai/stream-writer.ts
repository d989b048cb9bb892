/**
 * The one writer of a durable stream. Two things keep each item in it exactly once, in order:
 *
 * - `Producer-Id`, `-Epoch` and `-Seq`: an append whose answer was lost is repeated with the same number, and stored once. A writer that
 *   starts later has a higher epoch, and fences the earlier one off.
 * - `Stream-Seq` is the number of items before the append. A writer that continues what it has read is refused if another one has written
 *   since: the epoch alone would let it overwrite nothing, but repeat what the other one has added.
 */
import { SluiceError } from '../errors.js'
import { errorOf } from '../response-error.js'
import type { DurableStream, Exchange } from './durable-stream.js'

/** As many as the largest safe integer has. */
const SEQ_DIGITS = 16
/** Two writers that start in the same millisecond differ nevertheless; below 2^53 until the year 2255. */
const EPOCHS_PER_MS = 1_000

export interface Batch {
  /** Undefined if the stream is only closed. */
  readonly body: string | Uint8Array<ArrayBuffer> | undefined
  /** Messages, or bytes of a stream that is not JSON. */
  readonly count: number
  readonly isLast: boolean
}

/**
 * `occupied`: the stream holds other items than this writer continues. `taken-over`: a later writer has the stream. `closed`: somebody
 * else has closed it. In all three nothing of the batch was stored.
 */
export type Written = 'stored' | 'occupied' | 'taken-over' | 'closed'

export class StreamWriter {
  #epoch = Date.now() * EPOCHS_PER_MS + Math.floor(Math.random() * EPOCHS_PER_MS)
  #seq = 0
  #count: number | undefined

  /** @param count how many items the stream holds, which this writer continues; undefined if others write to it too. */
  constructor(
    readonly stream: DurableStream,
    readonly producerId: string,
    count: number | undefined,
  ) {
    this.#count = count
  }

  /** How many items the stream holds, if this is its only writer. */
  get count(): number {
    return this.#count ?? 0
  }

  /** Call it again when it has resolved. @throws as a request does; the batch may then be stored or not. */
  async append({ body, count, isLast }: Batch, signal?: AbortSignal): Promise<Written> {
    for (;;) {
      const exchange = await this.stream.append(
        body,
        {
          'Producer-Id': this.producerId,
          'Producer-Epoch': String(this.#epoch),
          'Producer-Seq': String(this.#seq),
          ...(this.#count !== undefined && { 'Stream-Seq': String(this.#count).padStart(SEQ_DIGITS, '0') }),
          ...(isLast && { 'Stream-Closed': 'true' }),
        },
        signal,
      )
      const written = await this.#outcome(exchange, body !== undefined)
      if (written === 'again') continue
      if (written === 'stored') {
        this.#seq++
        if (this.#count !== undefined) this.#count += count
      }
      return written
    }
  }

  async #outcome({ response, text, isRepeated }: Exchange, hasBody: boolean): Promise<Written | 'again'> {
    const { status, headers } = response
    const isFirst = this.#seq === 0
    if (status === 403) {
      const epoch = headers.get('producer-epoch')
      if (epoch === null) throw await errorOf(new Response(text, response))
      // At the first append the clock of an earlier writer was ahead; later, or after an append without an answer, a later writer started.
      if (!isFirst || isRepeated) return 'taken-over'
      this.#epoch = Number(epoch) + 1
      return 'again'
    }
    if (status === 409) {
      if (headers.get('stream-closed') === 'true') return 'closed'
      if (headers.has('producer-expected-seq'))
        throw new SluiceError(
          'lost-tail',
          'The server has lost items of this stream: write them to another one.',
        )
      return isFirst ? 'occupied' : 'taken-over'
    }
    if (status === 204 && hasBody && isFirst && !isRepeated) {
      // Another writer has the same epoch, so the stored items are not this batch.
      this.#epoch++
      return 'again'
    }
    return 'stored'
  }
}
