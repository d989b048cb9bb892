/**
 * A client of a consumer that acknowledges some events late, twice or never, loses responses, disconnects without a word, and
 * comes back at another gateway. Once it is settled it acknowledges everything, but the last event only when that is handed out again.
 * It records what it does (checker/consumer-check.ts). All holders of a consumer are in one process, and share its record.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { NOTICES } from '../checker/notices.js'
import { now } from '../checker/time.js'
import type { RecordedConsumer, RecordedHolding } from '../checker/work-recorder.js'
import type { Random } from '../end-to-end/random.js'
import { END } from './place.js'
import { readEvents, readLines, type Said } from './wire.js'

const STAY_MS = { least: 300, most: 3_000 } as const
const LATE_MS = { least: 100, most: 1_500 } as const
const AWAY_MS = { least: 0, most: 300 } as const
/** After a refusal. */
const RETRY_MS = 200
/** So often in a row it is refused before it takes the consumer over, once settled: the stream of a holder may be dead. */
const REFUSALS = 25

export type HolderForm = 'text/event-stream' | 'application/x-ndjson' | 'application/json'

/** What all holders of a consumer have seen, beside what the history says. */
export interface HolderTally {
  readonly epochs: Set<number>
  /** Of the events that were handed out, so often. */
  readonly ids: Set<string>
  handed: number
  refusals: number
}

export interface HolderOptions {
  /** Of the client. */
  readonly name: string
  readonly consumer: string
  readonly record: RecordedConsumer
  readonly tally: HolderTally
  /** Of the gateways. */
  readonly origins: readonly string[]
  readonly authorization: string
  readonly form: HolderForm
  readonly random: Random
  /** A connection without a byte for so long is given up. Default: never. */
  readonly silenceMs?: number | undefined
}

interface Holding {
  readonly record: RecordedHolding
  readonly epoch: number
  readonly ids: Set<string>
  last: string | undefined
}

interface Page {
  readonly epoch: number
  readonly events: readonly { readonly type: string; readonly id: string; readonly data: object }[]
}

export class Holder {
  readonly #options: HolderOptions
  #settled = false
  #ended = false
  #request: ClientRequest | undefined
  /** The last one. */
  #holding: Holding | undefined
  #isHolding = false
  /** In a row. */
  #refusals = 0

  constructor(options: HolderOptions) {
    this.#options = options
  }

  /** Whether a stream of it is open that began as the holder's. */
  get isHolding(): boolean {
    return this.#isHolding
  }

  settle(): void {
    this.#settled = true
  }

  stop(): void {
    this.#ended = true
    this.#request?.destroy()
  }

  /** Resolves once it was stopped. */
  async hold(): Promise<void> {
    const { form, random } = this.#options
    while (!this.#ended) {
      if (form === 'application/json') await this.#readPages()
      else await this.#follow()
      if (!this.#ended) await pause(this.#settled ? RETRY_MS : random.between(AWAY_MS.least, AWAY_MS.most))
    }
  }

  async #follow(): Promise<void> {
    const { random } = this.#options
    const stay = random.between(STAY_MS.least, STAY_MS.most)
    this.#refusals += 1
    const asked = now()
    const sent = this.#ask(this.#takesOver() ? '?takeover=true' : '')
    const leaving = setTimeout(() => this.#settled || sent.destroy(), stay)
    await new Promise<void>(resolve => {
      sent.on('error', () => {})
      sent.on('close', resolve)
      sent.on('response', response => this.#read(response, asked))
      sent.end()
    })
    clearTimeout(leaving)
    this.#isHolding = false
    this.#acknowledgeLate()
  }

  /** An acknowledgement that was on its way for long. Another client may hold the consumer by then. */
  #acknowledgeLate(): void {
    const { random } = this.#options
    const { epoch, last } = this.#holding ?? {}
    if (this.#settled || epoch === undefined || last === undefined) return
    setTimeout(() => void this.#acknowledge(epoch, last), random.between(LATE_MS.least, LATE_MS.most))
  }

  #takesOver(): boolean {
    return this.#settled ? this.#refusals > REFUSALS : this.#options.random.chance(0.1)
  }

  #ask(query: string): ClientRequest {
    const { consumer, origins, authorization, form, random, silenceMs } = this.#options
    const url = `${random.pick(origins)}/api/consumers/${consumer}/events${query}`
    const sent = request(url, {
      headers: { accept: form, authorization },
      agent: false,
      ...(silenceMs !== undefined && { timeout: silenceMs }),
    })
    sent.on('timeout', () => sent.destroy())
    this.#request = sent
    return sent
  }

  #read(response: IncomingMessage, asked: number): void {
    const { tally, form } = this.#options
    response.on('error', () => {})
    response.setEncoding('utf8')
    if (response.statusCode !== 200) {
      tally.refusals += 1
      response.resume()
      return
    }
    let holding: Holding | undefined
    const take = ({ type, id, data }: Said) => {
      if (type === 'server.state' && !holding) {
        holding = this.#holds(Object(JSON.parse(data)).consumer?.epoch ?? Number.NaN, asked)
        this.#isHolding = true
      } else if (type === 'unavailable') tally.refusals += 1
      else if (type === 'reset') this.#reset(holding, JSON.parse(data))
      else if (!NOTICES.has(type) && type !== '' && holding && id) this.#take(holding, { type, id, data })
    }
    const reading = { lastId: undefined, take, onRetry: () => undefined }
    response.on('data', form === 'text/event-stream' ? readEvents(reading) : readLines(reading))
  }

  /** Pages of one epoch, until one is refused or lost. */
  async #readPages(): Promise<void> {
    const { tally, random } = this.#options
    let holding: Holding | undefined
    const until = now() + random.between(STAY_MS.least, STAY_MS.most)
    while (!this.#ended && (this.#settled || now() < until)) {
      const asked = now()
      const epoch = holding ? `&epoch=${holding.epoch}` : this.#takesOver() ? '&takeover=true' : ''
      const after = holding?.last !== undefined && random.chance(0.7) ? `&after=${holding.last}` : ''
      const page = await this.#page(`?limit=${random.between(1, 20)}&wait=500ms${epoch}${after}`, holding)
      if (page === undefined) {
        tally.refusals += 1
        this.#refusals += 1
        return
      }
      if (holding?.epoch !== page.epoch) holding = this.#holds(page.epoch, asked)
      for (const { type, id, data } of page.events)
        this.#take(holding, { type, id, data: JSON.stringify(data) })
    }
  }

  async #page(query: string, holding: Holding | undefined): Promise<Page | undefined> {
    const { random } = this.#options
    const sent = this.#ask(query)
    if (!this.#settled && random.chance(0.05)) setTimeout(() => sent.destroy(), random.between(0, 50))
    const { status, text } = (await answerOf(sent)) ?? { text: '{}' }
    if (status === 410) {
      const { code, head } = JSON.parse(text)
      this.#reset(holding, { reason: code, head })
    }
    return status === 200 ? JSON.parse(text) : undefined
  }

  #holds(epoch: number, asked: number): Holding {
    const { record, tally, name } = this.#options
    tally.epochs.add(epoch)
    this.#refusals = 0
    this.#holding = { record: record.held(name, epoch, asked), epoch, ids: new Set(), last: undefined }
    return this.#holding
  }

  #take(holding: Holding, { type, id, data }: { type: string; id: string; data: string }): void {
    if (this.#ended) return
    const { tally, random } = this.#options
    holding.record.handed(id, type, `${id} ${type} ${JSON.stringify(JSON.parse(data))}`)
    tally.handed += 1
    tally.ids.add(id)
    const isAgain = holding.ids.has(id)
    holding.ids.add(id)
    holding.last = id
    if (this.#settled) {
      if (type !== END || isAgain) void this.#acknowledge(holding.epoch, id)
    } else if (random.chance(0.4))
      setTimeout(() => void this.#acknowledge(holding.epoch, id), random.between(0, 40))
  }

  /** It has nothing to load anew, and goes on at once. */
  #reset(holding: Holding | undefined, { reason, head }: { reason: string; head: string }): void {
    this.#options.record.rewound(reason, head)
    // A page that is refused says no epoch: then the gateway takes the present one, which no newer one has fenced.
    void this.#acknowledge(holding?.epoch, head)
  }

  async #acknowledge(epoch: number | undefined, id: string): Promise<void> {
    if (this.#ended) return
    const { consumer, record, origins, authorization, random } = this.#options
    const acknowledgement = record.acknowledges(epoch ?? Number.MAX_SAFE_INTEGER, id)
    const sent = request(`${random.pick(origins)}/api/consumers/${consumer}/ack`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      agent: false,
    })
    sent.write(JSON.stringify({ id, epoch }))
    // The response is lost, and perhaps the request too.
    if (!this.#settled && random.chance(0.1)) setTimeout(() => sent.destroy(), random.between(0, 10))
    const answer = await answerOf(sent)
    if (answer === undefined) return
    const { status, text } = answer
    acknowledgement.answered(status, status === 200 ? JSON.parse(text).cursor : undefined)
  }
}

/** Undefined if the connection broke before the end. */
function answerOf(sent: ClientRequest): Promise<{ status: number; text: string } | undefined> {
  return new Promise(resolve => {
    sent.on('error', () => resolve(undefined))
    sent.on('close', () => resolve(undefined))
    sent.on('response', response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('error', () => resolve(undefined))
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.end()
  })
}
