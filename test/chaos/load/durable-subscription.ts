/**
 * A subscription of Durable Streams, and workers who race for it: each claims it, reads the stream from its cursor, and acknowledges. Some
 * die with the claim, give it back, send the same acknowledgement twice, or come late, when the lease is over.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { now } from '../../checker/time.js'
import type { RecordedConsumer, RecordedHolding } from '../../checker/work-recorder.js'
import { nameOf, type Place } from '../../followers/place.js'
import { authorizationOfWork, type WorkOptions } from './consumers.js'
import { type Answer, ask, insist, RETRY_MS } from './request.js'
import { SHIPMENTS } from './streams.js'
import { WorkFollower } from './work-follower.js'

const LEASE_MS = 3_000
const WORKERS = 2
const AWAY_MS = { least: 50, most: 1_000 } as const
const DIES = 0.05
const GIVES_BACK = 0.05
const IS_LATE = 0.05
const REPEATS = 0.1
/** Acknowledges a part before the rest. */
const PARTS = 0.3
const MOST_IN_FLIGHT = 2 ** 31
/** Wakes are written to it. Nobody follows it. */
const WAKES = 'wakes'

interface SubscriptionPlan {
  readonly id: string
  readonly place: Place
}

export const SUBSCRIPTIONS: readonly SubscriptionPlan[] = [{ id: 'shipper', place: SHIPMENTS }]

interface Claim {
  readonly wake_id: string
  readonly generation: number
  readonly token: string
  readonly streams: readonly { readonly path: string; readonly acked_offset: string }[]
}

export class DurableSubscription extends WorkFollower {
  readonly #plan: SubscriptionPlan
  readonly #options: WorkOptions
  readonly #record: RecordedConsumer
  readonly #stopping = new AbortController()
  readonly #ask: ReturnType<typeof askOf>

  /** @param start the position of its first cursor. */
  private constructor(plan: SubscriptionPlan, start: number, options: WorkOptions) {
    super(`subscription ${plan.id}`, plan.place)
    this.#plan = plan
    this.#options = options
    this.#ask = askOf(plan.place, options)
    const stream = nameOf(plan.place)
    this.#record = options.recorder.consumer({
      ...{ consumer: plan.id, stream, form: 'durable', start: `${start}` },
      maxInFlight: MOST_IN_FLIGHT,
      isBlind: true,
    })
  }

  static async create(plan: SubscriptionPlan, options: WorkOptions): Promise<DurableSubscription> {
    const { id, place } = plan
    const request = (path: string, body: object) => askOf(place, options)(path, { method: 'PUT', body })
    await request(WAKES, {})
    const answer = await request(`__ds/subscriptions/${id}`, {
      ...{ type: 'pull-wake', streams: [place.stream], wake_stream: WAKES, lease_ttl_ms: LEASE_MS },
    })
    if (answer?.status !== 201)
      throw new Error(`The subscription ${id} was answered with ${answer?.status}: ${answer?.text}`)
    const [linked] = JSON.parse(answer.text).streams
    return new DurableSubscription(plan, Number(linked.acked_offset), options)
  }

  async follow(): Promise<void> {
    await Promise.all(Array.from({ length: WORKERS }, (_, n) => this.#work(`${this.#plan.id}-${n}`)))
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #work(worker: string): Promise<void> {
    const { random, tally } = this.#options
    while (!this.#stopping.signal.aborted) {
      const asked = now()
      const answer = await this.#ask(`__ds/subscriptions/${this.#plan.id}/claim`, { body: { worker } })
      if (answer?.status === 200) await this.#process(worker, JSON.parse(answer.text), asked)
      else tally.refusals += 1
      await this.#pause(random.between(AWAY_MS.least, AWAY_MS.most))
    }
  }

  async #process(worker: string, claim: Claim, asked: number): Promise<void> {
    const { random } = this.#options
    const holding = this.#record.held(worker, claim.generation, asked)
    const [linked] = claim.streams
    const ids = linked ? await this.#read(linked.acked_offset, holding) : []
    if (ids.length === 0 || random.chance(GIVES_BACK)) await this.#insist(claim, 'release', {})
    else if (!random.chance(DIES)) {
      if (random.chance(IS_LATE)) await this.#pause(LEASE_MS + RETRY_MS)
      if (random.chance(PARTS)) await this.#acknowledge(claim, random.pick(ids), false)
      await this.#acknowledge(claim, ids.at(-1) ?? '', true)
      if (random.chance(REPEATS)) await this.#acknowledge(claim, ids.at(-1) ?? '', true)
    }
  }

  /** @returns the ids of the messages of a page. */
  async #read(offset: string, holding: RecordedHolding): Promise<readonly string[]> {
    const { tally } = this.#options
    const answer = await this.#ask(`${this.#plan.place.stream}?offset=${offset}`, {})
    if (answer?.status === 410) {
      const { code, earliest } = JSON.parse(answer.text)
      this.#record.rewound(code, earliest)
      return await this.#read(earliest, holding)
    }
    if (answer?.status !== 200) return []
    const messages: { id: string; type: string }[] = JSON.parse(answer.text)
    for (const message of messages) holding.handed(message.id, message.type, JSON.stringify(message))
    tally.deliveries += messages.length
    return messages.map(({ id }) => id)
  }

  async #acknowledge(claim: Claim, id: string, done: boolean): Promise<void> {
    const acknowledgement = this.#record.acknowledges(claim.generation, id)
    const offset = (id.split('.')[0] ?? '').padStart(16, '0')
    const acks = [{ stream: this.#plan.place.stream, offset }]
    const answer = await this.#insist(claim, 'ack', { acks, done })
    if (answer) acknowledgement.answered(answer.status)
  }

  /** The same request again until it is answered. */
  async #insist(claim: Claim, what: string, more: object): Promise<Answer | undefined> {
    const { wake_id, generation, token } = claim
    const request = {
      headers: { authorization: `Bearer ${token}` },
      body: { wake_id, generation, ...more },
    }
    const send = () => this.#ask(`__ds/subscriptions/${this.#plan.id}/${what}`, request)
    return await insist(send, this.#stopping.signal)
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }
}

/** Requests below the prefix of the streams. */
function askOf(place: Place, { origin }: WorkOptions) {
  return (path: string, { headers, ...more }: Partial<Parameters<typeof ask>[1]>) =>
    ask(`${origin}/v1/stream/${path}`, {
      ...more,
      headers: { authorization: authorizationOfWork(place), ...headers },
    })
}
