/** The protocol of one stream as a sequence of requests: what each would get if they arrived one after the other (PROTOCOL §5.2). */
import type { DurableAppend } from '../../../src/durable-streams/durable-stream.js'

export class ModelStream {
  readonly messages: string[] = []
  closed = false
  #seq: string | undefined
  #closer = ''
  readonly #producers = new Map<string, { epoch: number; seq: number }>()

  constructor(readonly type: string) {}

  /** The name of the outcome. */
  append({ body, close = false, seq, producer }: DurableAppend): string {
    const known = producer && this.#producers.get(producer.id)
    if (this.closed) {
      if (producer && this.#closer === JSON.stringify(producer)) return 'duplicate'
      return close && !body && !producer ? 'stored' : 'closed'
    }
    if (body && body.contentType !== this.type) return 'content-type-differs'
    if (producer) {
      const isNew = known === undefined || producer.epoch > known.epoch
      if (known && producer.epoch < known.epoch) return 'stale-epoch'
      if (known && isNew && producer.seq !== 0) return 'epoch-not-at-start'
      if (!isNew && producer.seq <= known.seq) return 'duplicate'
      if (producer.seq !== (isNew ? 0 : known.seq + 1)) return 'producer-gap'
    }
    if (
      seq !== undefined &&
      this.#seq !== undefined &&
      Buffer.compare(Buffer.from(seq), Buffer.from(this.#seq)) <= 0
    ) {
      return 'seq-not-greater'
    }
    this.#seq = seq ?? this.#seq
    if (producer) this.#producers.set(producer.id, { epoch: producer.epoch, seq: producer.seq })
    if (body) this.messages.push(body.bytes.toString())
    if (close) {
      this.closed = true
      this.#closer = producer ? JSON.stringify(producer) : ''
    }
    return 'stored'
  }
}
