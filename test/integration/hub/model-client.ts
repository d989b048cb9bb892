/** A client of the model, which reads what it gets, and checks that each block continues what it has by identity, or is a reset that is true. */
import { endlessPermit } from '../../../src/hub/permit.js'
import type { StartAt } from '../../../src/hub/start.js'
import { Subscription } from '../../../src/hub/subscription.js'
import type { EventFilter } from '../../../src/log/event-filter.js'
import { parseEventId } from '../../../src/log/event-id.js'
import { sse } from '../../../src/sse/encoding.js'
import { type Response, Sink } from '../../../src/sse/sink.js'
import { silent } from '../../harness/hub.js'
import type { ModelGateway } from './model-gateway.js'
import { continues, type Known, type ModelLog } from './model-log.js'
import { ModelSocket } from './model-socket.js'

export interface ModelClientOptions {
  readonly name: string
  readonly log: ModelLog
  readonly filter: EventFilter | undefined
  readonly note: (what: string) => void
  /** Whether a reset is a violation when the log still has the client's place. */
  readonly isExact: () => boolean
}

export class ModelClient {
  readonly #options: ModelClientOptions
  #subscription: Subscription | undefined
  #socket: ModelSocket | undefined
  /** The place of the last id that it has read. */
  #last: Known | undefined
  #lastId: string | undefined
  #rest = ''
  /** Opening a stream takes several reads: another step may come first. */
  #opening = 0

  constructor(options: ModelClientOptions) {
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed && !this.#socket.writableEnded
  }

  /** Whether it has never connected. */
  get isNew(): boolean {
    return this.#opening === 0
  }

  get atHead(): boolean {
    return this.#last !== undefined && this.#subscription?.cursor.eventId === this.#options.log.head.eventId
  }

  get state(): string {
    const { state, cursor } = this.#subscription ?? {}
    return `${state?.name} at ${cursor?.position}, has ${this.#lastId}`
  }

  /** Connects, with its last id if it has one. */
  async connect(gateway: ModelGateway, first: StartAt): Promise<void> {
    const { filter } = this.#options
    this.disconnect()
    this.#opening += 1
    const opening = this.#opening
    const brought = this.#lastId
    const startAt: StartAt =
      brought === undefined ? first : { at: 'after', id: parseEventId(brought) ?? 'unknown' }
    const start = await gateway.starts.resolve(gateway.stream, startAt, filter).catch(() => undefined)
    if (!start || opening !== this.#opening) return
    const socket = new ModelSocket(text => opening === this.#opening && this.#read(text))
    this.#socket = socket
    this.#rest = ''
    this.#subscription = new Subscription({
      stream: gateway.stream,
      starts: gateway.starts,
      start,
      sink: new Sink(socket as unknown as Response),
      encoding: sse,
      filter,
      logger: silent,
      permit: endlessPermit(),
      window: undefined,
      tooOldAt: Number.POSITIVE_INFINITY,
      heartbeatMs: 2_000,
      broughtId: brought,
      client: undefined,
      openedAt: 0,
      onClosed: () => {},
    })
    this.#subscription.open('normal', [])
  }

  disconnect(): void {
    this.#opening += 1
    this.#socket?.destroy()
    this.#socket = undefined
  }

  stall(): void {
    this.#socket?.stall()
  }

  drain(): void {
    this.#socket?.drain()
  }

  /** The hub's timer. */
  tick(now: number): void {
    if (this.isOpen) this.#subscription?.tick(now)
  }

  /** The gateway ends the stream. */
  stop(why: 'draining' | 'by-admin'): void {
    this.#subscription?.stop(why)
  }

  /** Call it at the head: checks that no event is missing. */
  finish(): void {
    const { log, filter, note, name } = this.#options
    const head = log.known.get(log.headId)
    if (!head || !this.#last) note(`${name} has no cursor`)
    else if (head.eventId !== this.#last.eventId && !continues(this.#last, head, filter))
      note(`${name} misses events after ${this.#lastId}, at ${log.headId}`)
  }

  #read(text: string): void {
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) this.#take(block)
  }

  #take(block: string): void {
    const { log, filter, note, name, isExact } = this.#options
    const event = fieldOf(block, 'event: ')
    const id = fieldOf(block, 'id: ')
    if (id === undefined) {
      if (event !== undefined && event !== 'server.state' && this.#lastId !== undefined)
        note(`${name} got ${event} without an id`)
      return
    }
    const place = log.known.get(id)
    const last = this.#last
    if (!place) note(`${name} got ${id}, which was never stored`)
    else if (event === 'reset') {
      if (isExact() && last && log.has(last))
        note(`${name} got a reset at ${this.#lastId}, which the log has`)
    } else if (last && place.eventId !== last.eventId && !continues(last, place, filter))
      note(`${name} got ${event} ${id}, which does not continue ${this.#lastId}`)
    else if (last && place.eventId === last.eventId && place.event && event === place.type)
      note(`${name} got ${id} twice`)
    else if (place.event && event === place.type && fieldOf(block, 'data: ') !== place.event.data)
      note(`${name} got other data of ${id}`)
    this.#last = place
    this.#lastId = id
  }
}

/** The first line of a block that begins so, without that beginning. */
function fieldOf(block: string, mark: string): string | undefined {
  const at = `\n${block}`.indexOf(`\n${mark}`)
  if (at < 0) return undefined
  const end = block.indexOf('\n', at)
  return block.slice(at + mark.length, end < 0 ? undefined : end)
}
