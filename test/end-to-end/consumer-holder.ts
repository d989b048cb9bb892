/**
 * A client of a consumer that acknowledges some events late, twice or never, loses responses, disconnects without a word, and
 * comes back at another gateway. Once it is settled it acknowledges everything, but the last event only when that is handed out again.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { type Ack, type ConsumerLedger, type Handing, positionOf } from './consumer-ledger.js'
import type { Random } from './random.js'

const STAY_MS = { least: 300, most: 3_000 } as const
const LATE_MS = { least: 100, most: 1_500 } as const
const AWAY_MS = { least: 0, most: 300 } as const
/** After a refusal. */
const RETRY_MS = 200

/** The type of the last event. */
export const LAST = 'check.end'

export type HolderForm = 'text/event-stream' | 'application/x-ndjson' | 'application/json'

export interface HolderOptions {
  readonly ledger: ConsumerLedger
  /** Of the gateways. */
  readonly origins: readonly string[]
  readonly authorization: string
  readonly form: HolderForm
  readonly random: Random
}

interface Line {
  readonly type: string
  readonly id?: string
  readonly position?: number
  readonly data: { readonly consumer?: { readonly epoch: number } }
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
  #handing: Handing | undefined
  #isHolding = false

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
    const askedAt = performance.now()
    const sent = this.#ask(random.chance(0.1) ? '?takeover=true' : '')
    const leaving = setTimeout(() => this.#settled || sent.destroy(), stay)
    await new Promise<void>(resolve => {
      sent.on('error', () => {})
      sent.on('close', resolve)
      sent.on('response', response => this.#read(response, askedAt))
      sent.end()
    })
    clearTimeout(leaving)
    this.#isHolding = false
    this.#acknowledgeLate()
  }

  /** An acknowledgement that was on its way for long. Another client may hold the consumer by then. */
  #acknowledgeLate(): void {
    const { random } = this.#options
    const { epoch, events } = this.#handing ?? { events: [] }
    const last = events.at(-1)
    if (this.#settled || epoch === undefined || !last) return
    setTimeout(() => void this.#acknowledge(epoch, last.id), random.between(LATE_MS.least, LATE_MS.most))
  }

  #ask(query: string): ClientRequest {
    const { ledger, origins, authorization, form, random } = this.#options
    const url = `${random.pick(origins)}/api/consumers/${ledger.name}/events${query}`
    this.#request = request(url, { headers: { accept: form, authorization }, agent: false })
    return this.#request
  }

  #read(response: IncomingMessage, askedAt: number): void {
    const { ledger, form } = this.#options
    response.on('error', () => {})
    response.setEncoding('utf8')
    if (response.statusCode !== 200) {
      ledger.refusals += 1
      response.resume()
      return
    }
    let handing: Handing | undefined
    const take = (type: string, id: string | undefined, data: string) => {
      if (type === 'server.state' && !handing) {
        const { consumer } = JSON.parse(data) as Line['data']
        handing = { epoch: consumer?.epoch ?? Number.NaN, askedAt, heldAt: performance.now(), events: [] }
        ledger.handings.push(handing)
        this.#handing = handing
        this.#isHolding = true
      } else if (type.startsWith('check.') && handing && id) this.#take(handing, type, id, data)
      else if (type === 'unavailable') ledger.refusals += 1
      else if (type === 'reset') ledger.resets += 1
    }
    if (form === 'text/event-stream') {
      const parser = createParser({ onEvent: ({ event = '', id, data }) => take(event, id, data) })
      response.on('data', text => parser.feed(text))
      return
    }
    let rest = ''
    response.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const { type, id, data } = JSON.parse(line) as Line
        take(type, id, JSON.stringify(data))
      }
    })
  }

  /** Pages of one epoch, until one is refused or lost. */
  async #readPages(): Promise<void> {
    const { ledger, random } = this.#options
    let handing: Handing | undefined
    const until = performance.now() + random.between(STAY_MS.least, STAY_MS.most)
    while (!this.#ended && (this.#settled || performance.now() < until)) {
      const askedAt = performance.now()
      const epoch = handing ? `&epoch=${handing.epoch}` : random.chance(0.1) ? '&takeover=true' : ''
      const page = await this.#page(`?limit=${random.between(1, 20)}&wait=500ms${epoch}`)
      if (page === undefined) {
        ledger.refusals += 1
        return
      }
      if (handing?.epoch !== page.epoch) {
        handing = { epoch: page.epoch, askedAt, heldAt: performance.now(), events: [] }
        ledger.handings.push(handing)
      }
      for (const { type, id, data } of page.events) this.#take(handing, type, id, JSON.stringify(data))
    }
  }

  async #page(query: string): Promise<Page | undefined> {
    const { random } = this.#options
    const sent = this.#ask(query)
    if (!this.#settled && random.chance(0.05)) setTimeout(() => sent.destroy(), random.between(0, 50))
    const answer = await textOf(sent)
    if (answer?.status === 410) this.#options.ledger.resets += 1
    return answer?.status === 200 ? JSON.parse(answer.text) : undefined
  }

  #take(handing: Handing, type: string, id: string, data: string): void {
    if (this.#ended) return
    const { ledger, random } = this.#options
    const isAgain = handing.events.some(event => event.id === id)
    handing.events.push({ id, data, sent: ledger.sent })
    if (this.#settled) {
      if (type !== LAST || isAgain) void this.#acknowledge(handing.epoch, id)
    } else if (random.chance(0.4))
      setTimeout(() => void this.#acknowledge(handing.epoch, id), random.between(0, 40))
  }

  async #acknowledge(epoch: number, id: string): Promise<void> {
    if (this.#ended) return
    const { ledger, origins, authorization, random } = this.#options
    const ack: Ack = { epoch, position: positionOf(id), sentAt: performance.now() }
    ledger.send(ack)
    const sent = request(`${random.pick(origins)}/api/consumers/${ledger.name}/ack`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      agent: false,
    })
    sent.write(JSON.stringify({ id, epoch }))
    // The response is lost, and perhaps the request too.
    if (!this.#settled && random.chance(0.1)) setTimeout(() => sent.destroy(), random.between(0, 10))
    const answer = await textOf(sent)
    if (answer === undefined) return
    ack.status = answer.status
    ack.doneAt = performance.now()
    if (answer.status === 200) ack.cursor = positionOf(JSON.parse(answer.text).cursor)
  }
}

/** Undefined if the connection broke before the end. */
function textOf(sent: ClientRequest): Promise<{ status: number; text: string } | undefined> {
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
