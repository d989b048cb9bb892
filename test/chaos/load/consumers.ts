/** Consumers of the load, each with two clients that take it from each other, over whichever gateway nginx gives them. */
import type { Recorder } from '../../checker/recorder.js'
import type { RecordedConsumer } from '../../checker/work-recorder.js'
import type { Random } from '../../end-to-end/random.js'
import { Holder, type HolderForm, type HolderTally } from '../../followers/consumer-holder.js'
import type { Tally } from '../../followers/follower.js'
import { type Form, WHERE } from '../../followers/forms.js'
import { nameOf, type Place } from '../../followers/place.js'
import { authorizationOf } from './credentials.js'
import { ask, insist } from './request.js'
import { SELECTIONS, SHIPMENTS, TASKS } from './streams.js'
import { WorkFollower } from './work-follower.js'

/** The shortest that there is. */
const ACK_TIMEOUT_MS = 1_000
const [SSE, LINES, PAGES] = ['text/event-stream', 'application/x-ndjson', 'application/json'] as const

interface ConsumerPlan {
  readonly name: string
  readonly place: Place
  readonly maxInFlight: number
  readonly forms: readonly [HolderForm, HolderForm]
  readonly types?: readonly string[] | undefined
  readonly where?: true
}

export const CONSUMERS: readonly ConsumerPlan[] = [
  { name: 'all', place: TASKS, maxInFlight: 256, forms: [SSE, LINES] },
  { name: 'narrow', place: TASKS, maxInFlight: 5, forms: [LINES, SSE] },
  { name: 'some', place: TASKS, maxInFlight: 10, forms: [SSE, PAGES], where: true },
  { name: 'rare', place: SHIPMENTS, maxInFlight: 2, forms: [SSE, SSE], types: SELECTIONS[1] },
  { name: 'pages', place: SHIPMENTS, maxInFlight: 30, forms: [PAGES, PAGES] },
]

export interface WorkOptions {
  readonly origin: string
  readonly recorder: Recorder
  readonly random: Random
  readonly tally: Tally
  readonly silenceMs: number
}

export class Consumer extends WorkFollower {
  readonly #record: RecordedConsumer
  readonly #tally: Tally
  readonly #counts: HolderTally = { epochs: new Set(), ids: new Set(), handed: 0, refusals: 0 }
  readonly #holders: readonly Holder[]

  private constructor(plan: ConsumerPlan, start: string, options: WorkOptions) {
    const { name: consumer, place, forms, types, where, maxInFlight } = plan
    const { origin, recorder, random, silenceMs } = options
    super(`consumer ${consumer}`, place)
    this.#tally = options.tally
    const form: Form = where ? 'value where' : 'value'
    this.#record = recorder.consumer({
      consumer,
      stream: nameOf(place),
      form,
      ...(types && { types: [...types] }),
      start,
      maxInFlight,
    })
    const shared = { consumer, record: this.#record, tally: this.#counts, origins: [origin], silenceMs }
    this.#holders = forms.map((form, n) => {
      const name = `${consumer}-${n}`
      return new Holder({
        ...shared,
        name,
        form,
        random: random.fork(),
        authorization: authorizationOfWork(place),
      })
    })
  }

  static async create(plan: ConsumerPlan, options: WorkOptions): Promise<Consumer> {
    const { name, place, types, where, maxInFlight } = plan
    const request = {
      method: 'PUT',
      headers: { authorization: authorizationOfWork(place) },
      body: {
        stream: place.stream,
        start: 'beginning',
        ...(types && { types: types.join(',') }),
        ...(where && { where: WHERE }),
        max_in_flight: maxInFlight,
        ack_timeout_ms: ACK_TIMEOUT_MS,
      },
    }
    const url = `${options.origin}/api/consumers/${name}`
    const answer = await insist(() => ask(url, request))
    if (answer?.status !== 201 && answer?.status !== 200)
      throw new Error(`The consumer ${name} was answered with ${answer?.status}: ${answer?.text}`)
    return new Consumer(plan, JSON.parse(answer.text).cursor, options)
  }

  override moved(position: number): void {
    this.#record.cursor(position)
    this.#tally.deliveries += this.#counts.handed
    this.#tally.refusals += this.#counts.refusals
    this.#counts.handed = 0
    this.#counts.refusals = 0
    super.moved(position)
  }

  async follow(): Promise<void> {
    await Promise.all(this.#holders.map(holder => holder.hold()))
  }

  override settle(last: string): void {
    super.settle(last)
    for (const each of this.#holders) each.settle()
  }

  stop(): void {
    for (const each of this.#holders) each.stop()
  }
}

/** Of the service to which all of this belongs. */
export function authorizationOfWork({ workspace }: Place): string {
  return authorizationOf({ workspace, principal: 'service', role: 'admin' })(false)
}
