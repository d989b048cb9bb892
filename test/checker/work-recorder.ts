/** Writes what consumers, webhooks and jobs did: Recorder (recorder.ts) makes them. */
import { fingerprint } from './fingerprint.js'
import type { Entry, EntryOf } from './history.js'
import { now } from './time.js'

export interface Target {
  write(entry: Entry): void
}

/** All clients of one consumer share it, in one process. */
export class RecordedConsumer {
  readonly #target: Target
  readonly #consumer: string
  #holdings = 0
  #acknowledgements = 0

  constructor(target: Target, consumer: string) {
    this.#target = target
    this.#consumer = consumer
  }

  /** @param asked when the request was sent, by now() of time.ts. */
  held(holder: string, epoch: number, asked: number): RecordedHolding {
    this.#holdings += 1
    const n = this.#holdings
    this.#target.write({ k: 'held', t: now(), consumer: this.#consumer, n, holder, epoch, asked })
    return new RecordedHolding(this.#target, this.#consumer, n)
  }

  /** Call it just before the request is sent. */
  acknowledges(epoch: number, id: string): RecordedAcknowledgement {
    this.#acknowledgements += 1
    const a = this.#acknowledgements
    this.#target.write({ k: 'acking', t: now(), consumer: this.#consumer, a, epoch, id })
    return new RecordedAcknowledgement(this.#target, this.#consumer, a)
  }

  /** Call it in the turn in which the answer came. @param head the id at which it continues. */
  rewound(reason: string, head: string): void {
    this.#target.write({ k: 'rewound', t: now(), consumer: this.#consumer, reason, head })
  }

  /** The cursor in the table. Call it in the turn in which the answer of the query came; the last one after everything is settled. */
  cursor(position: number): void {
    this.#target.write({ k: 'cursor', t: now(), consumer: this.#consumer, position })
  }
}

export class RecordedHolding {
  readonly #target: Target
  readonly #at: { readonly consumer: string; readonly n: number }

  constructor(target: Target, consumer: string, n: number) {
    this.#target = target
    this.#at = { consumer, n }
  }

  /** @param text as of a client's frame (RecordedClient). */
  handed(id: string, type: string, text: string): void {
    this.#target.write({ k: 'handed', t: now(), ...this.#at, id, type, h: fingerprint(text) })
  }
}

export class RecordedAcknowledgement {
  readonly #target: Target
  readonly #at: { readonly consumer: string; readonly a: number }

  constructor(target: Target, consumer: string, a: number) {
    this.#target = target
    this.#at = { consumer, a }
  }

  /** Not called when the answer was lost. @param cursor the one in the answer. */
  answered(status: number, cursor?: string): void {
    this.#target.write({ k: 'acked', t: now(), ...this.#at, status, ...(cursor !== undefined && { cursor }) })
  }
}

export class RecordedWebhook {
  readonly #target: Target
  readonly #webhook: string
  #deliveries = 0

  constructor(target: Target, webhook: string) {
    this.#target = target
    this.#webhook = webhook
  }

  /**
   * A request has arrived.
   * @param event as webhook-request.ts reads it
   * @returns to be called just before it is answered with 2xx
   */
  delivered(event: { id: string; type: string; text: string; isSigned: boolean }): () => void {
    this.#deliveries += 1
    const { id, type, text, isSigned } = event
    const at = { webhook: this.#webhook, d: this.#deliveries }
    this.#target.write({ k: 'delivery', t: now(), ...at, id, type, h: fingerprint(text), isSigned })
    return () => this.#target.write({ k: 'accepted', t: now(), ...at })
  }

  /** The message `sluice.reset` has arrived. @param after its member `continues_after`. */
  redirected(reason: string, after: string): void {
    this.#target.write({ k: 'redirected', t: now(), webhook: this.#webhook, reason, after })
  }
}

/** Answers of 2xx about a job; what was refused or lost is not recorded. Each takes the time at which the request was sent, by now(). */
export class RecordedJob {
  readonly #target: Target
  readonly #job: string

  /** @param job its stream, `<workspace>/job:<id>`. */
  constructor(target: Target, job: string) {
    this.#target = target
    this.#job = job
  }

  submitted(asked: number): void {
    this.#write(asked, { did: 'submitted' })
  }

  claimed(asked: number, runner: string, attempt: number): void {
    this.#write(asked, { did: 'claimed', runner, attempt })
  }

  /** @param count how many events were in the request. */
  told(asked: number, runner: string, attempt: number, count: number): void {
    this.#write(asked, { did: 'told', runner, attempt, count })
  }

  /** @param type of the last event, such as `job.completed`. */
  ended(asked: number, runner: string, attempt: number, type: string): void {
    this.#write(asked, { did: 'ended', runner, attempt, type })
  }

  #write(asked: number, entry: Omit<EntryOf<'job'>, 'k' | 't' | 'asked' | 'job'>): void {
    this.#target.write({ k: 'job', t: now(), asked, job: this.#job, ...entry })
  }
}
