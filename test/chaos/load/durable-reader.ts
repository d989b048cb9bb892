/**
 * A client of Durable Streams: it catches up by pages, polls and follows, in turns, and goes on after the last message that it has. It
 * names its place by an event id, which the gateway compares by identity, or by the offset of the last page, which is a position only.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { parseEventId } from '../../../src/log/event-id.js'
import type { Random } from '../../end-to-end/random.js'
import type { Tally, Wanted } from '../../followers/follower.js'
import { StreamFollower } from '../../followers/stream-follower.js'
import { readEvents, type Said } from '../../followers/wire.js'

const STAY_MS = { least: 200, most: 20_000 } as const
const AWAY_MS = { least: 0, most: 1_000 } as const
const RETRY_MS = 1_000
/** Longer than a poll waits. */
const ANSWER_MS = 25_000
const WAYS = ['page', 'long-poll', 'sse', 'sse'] as const
/** How often it brings the offset of a page although it has an event id. */
const OFFSETS = 0.5

export interface DurableReaderOptions extends Wanted {
  readonly origin: () => string
  readonly authorization: (isRefused: boolean) => string
  readonly silenceMs: number
  readonly random: Random
  readonly tally: Tally
}

const DIGITS = 16
/** Of an offset, which is an event id without them. */
const LEADING_ZEROS = /^0+(?=[0-9])/

/** A message of an event of another type is the event as a document; that of a chunk is what its publisher has sent. */
interface Message {
  readonly event_id?: string
  readonly id?: string
  readonly type?: string
}

/** Its last id is a position alone where a page ends with a chunk, of which it says no id. */
export class DurableReader extends StreamFollower<DurableReaderOptions> {
  /** As the last page said it. */
  #offset: string | undefined
  #isRefused = false
  /** A gateway that has refused it for a limit says for how long. */
  #awayMs = RETRY_MS

  constructor(options: DurableReaderOptions) {
    super(options, 'durable')
  }

  async follow(): Promise<void> {
    const { random } = this.options
    const { signal } = this.stopping
    while (!signal.aborted) {
      const isRead = await this.#read(random.pick(WAYS))
      const ms = isRead ? random.between(AWAY_MS.least, AWAY_MS.most) : this.#awayMs
      await pause(ms, undefined, { signal }).catch(() => undefined)
    }
  }

  /** @returns whether it was answered with something to read. */
  async #read(way: (typeof WAYS)[number]): Promise<boolean> {
    const { random, silenceMs, tally } = this.options
    const leaving = new AbortController()
    const leave = () => leaving.abort()
    const stay = way === 'sse' && !this.isSettled ? random.between(STAY_MS.least, STAY_MS.most) : undefined
    const staying = stay === undefined ? undefined : setTimeout(leave, stay)
    const silence = setTimeout(leave, way === 'sse' ? silenceMs : ANSWER_MS)
    tally.connections += 1
    this.#awayMs = RETRY_MS
    const place = this.#offset !== undefined && random.chance(OFFSETS) ? this.#offset : this.lastId
    this.record.open(place?.replace(LEADING_ZEROS, ''))
    try {
      const response = await fetch(this.#url(way, place), {
        headers: { authorization: this.options.authorization(this.#isRefused) },
        signal: AbortSignal.any([leaving.signal, this.stopping.signal]),
      })
      const { status } = response
      this.#isRefused = status === 401
      const waitMs = status === 503 ? await limitedFor(response) : undefined
      this.#awayMs = waitMs ?? RETRY_MS
      this.record.status(status, waitMs !== undefined)
      if (status === 410) this.#reset(JSON.parse(await response.text()))
      else if (status === 200 && way === 'sse') await this.#follow(response, () => silence.refresh())
      else if (status === 200) this.#takePage(await response.text(), response.headers)
      else if (status !== 503) await response.arrayBuffer()
      if (status >= 400) tally.refusals += 1
      this.record.close('server')
      return status < 400
    } catch {
      this.record.close(leaving.signal.aborted ? 'client' : 'broken')
      return leaving.signal.aborted
    } finally {
      clearTimeout(staying)
      clearTimeout(silence)
    }
  }

  #url(way: (typeof WAYS)[number], place: string | undefined): string {
    const query = new URLSearchParams({ offset: offsetOf(place), ...(way !== 'page' && { live: way }) })
    return `${this.options.origin()}/v1/stream/${this.options.stream}?${query}`
  }

  async #follow(response: Response, onPulse: () => void): Promise<void> {
    const take = ({ type, id, data }: Said) => {
      if (type === 'data') this.#take(JSON.parse(data), id ?? '')
      else this.record.notice(type, id, Object(JSON.parse(data)).reason)
    }
    const feed = readEvents({ lastId: this.lastId, take, onRetry: () => undefined })
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      onPulse()
      feed(decoder.decode(chunk, { stream: true }))
    }
  }

  #takePage(body: string, headers: Headers): void {
    const offset = headers.get('stream-next-offset') ?? ''
    this.#take(JSON.parse(body), `${Number(offset)}`, offset)
  }

  /**
   * Messages that follow each other.
   * @param last the id of the last one, or its position alone
   * @param offset of a page
   */
  #take(messages: readonly Message[], last: string, offset?: string): void {
    const { tally } = this.options
    const position = parseEventId(last)?.position ?? Number.NaN
    for (const [n, message] of messages.entries()) {
      if (this.stopping.signal.aborted) return
      const left = messages.length - 1 - n
      const isDocument = message.event_id !== undefined
      const id = isDocument ? `${message.id}` : left === 0 ? last : `${position - left}`
      this.record.frame(id, isDocument ? `${message.type}` : 'chunk', JSON.stringify(message))
      tally.deliveries += 1
      if (isDocument || left === 0) this.lastId = id
    }
    if (messages.length > 0) this.#offset = offset
    this.finishAtLast()
  }

  /** It begins with what is still stored. */
  #reset({ code, earliest }: { code: string; earliest: string }): void {
    this.record.notice('reset', earliest, code)
    this.lastId = earliest
    this.#offset = undefined
  }
}

function offsetOf(place = '-1'): string {
  return /^[0-9]+$/.test(place) ? place.padStart(DIGITS, '0') : place
}

/** The wait that a refusal asks for whose caller has reached a limit, such as its share of the database connections; undefined: another one. */
async function limitedFor(response: Response): Promise<number | undefined> {
  const { code, limit } = Object(await response.json().catch(() => undefined))
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return seconds >= 0 && (code === 'database-busy' || limit !== undefined) ? seconds * 1_000 : undefined
}
