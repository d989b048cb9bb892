/**
 * One consumer against the table: every event at least once and in order from a cursor that it may have had, never more in flight than
 * it allows, one holder for each epoch, and a cursor that only its present holder moves. What was acknowledged does not come again,
 * unless a lost tail has taken the acknowledgement.
 */
import { positionIn } from './content.js'
import type { Faults } from './faults.js'
import type { EntryOf } from './history.js'
import { positionOf } from './place.js'
import type { StreamLog, Wanted } from './stream-log.js'
import type { Rule, Verdict } from './verdict.js'

interface Holding {
  readonly epoch: number
  /** The greatest position that was acknowledged before it asked. */
  readonly before: number
  last: number | undefined
  /** Positions in flight, in order. */
  flight: number[]
}

interface Acknowledgement {
  readonly epoch: number
  readonly position: number
  /** The newer epoch that had been held when it was sent. */
  readonly newer: number | undefined
}

export class ConsumerCheck {
  readonly #consumer: EntryOf<'consumer'>
  readonly #wanted: Wanted
  readonly #log: StreamLog
  readonly #faults: Faults
  readonly #verdict: Verdict
  readonly #start: number
  /** The greatest position of which an acknowledgement was sent. */
  #sent: number
  /** All events up to here were handed out. */
  #furthest: number
  #cursor: number | undefined
  readonly #holdings = new Map<number, Holding>()
  /** In the order of time. */
  readonly #epochs: { readonly epoch: number; readonly holder: string; readonly t: number }[] = []
  readonly #open = new Map<number, Acknowledgement>()
  readonly #done: { readonly t: number; readonly position: number }[] = []
  /** Acknowledged ones that did not move the cursor: only a reset to a later place, of which its holder may hear later, explains that. */
  #unmoved: { readonly position: number; readonly cursor: string }[] = []
  #rewoundTo = 0
  /** Events that are the first after a place to which an acknowledgement was sent. */
  readonly #starts = new Set<number>()

  constructor(consumer: EntryOf<'consumer'>, log: StreamLog, faults: Faults, verdict: Verdict) {
    this.#consumer = consumer
    this.#wanted = { form: consumer.form, ...(consumer.types && { types: consumer.types }) }
    this.#log = log
    this.#faults = faults
    this.#verdict = verdict
    this.#start = positionOf(consumer.start)
    this.#sent = this.#start
    this.#furthest = this.#start
    this.#startAfter(this.#start)
  }

  held({ n, epoch, holder, asked, t }: EntryOf<'held'>): void {
    this.#verdict.looked('holdings')
    const before = this.#done.findLast(each => each.t < asked)?.position ?? this.#start
    this.#holdings.set(n, { epoch, before, last: undefined, flight: [] })
    const other = this.#epochs.findLast(
      each => (each.epoch === epoch && each.holder !== holder) || (each.epoch > epoch && each.t < asked),
    )
    if (other && !this.#faults.hasLostTail(this.#log.name, t))
      this.#found('two-holders', () => `${holder} has epoch ${epoch}, and ${other.holder} has ${other.epoch}`)
    this.#epochs.push({ epoch, holder, t })
  }

  handed(entry: EntryOf<'handed'>): void {
    this.#verdict.looked('handed out')
    const position = positionIn(this.#log, this.#wanted, entry, (rule, text) => this.#found(rule, text))
    const holding = this.#holdings.get(entry.n)
    if (!holding) throw new Error(`${this.#consumer.consumer} has no holding ${entry.n}.`)
    if (position === undefined) return
    this.#checkOrder(entry, holding, position)
    this.#checkFlight(entry, holding, position)
    holding.last = position
    const next = this.#log.nextVisible(this.#furthest, this.#wanted)
    if (next !== undefined && next < position)
      this.#found('gap', () => `${entry.id} was handed out, and ${this.#log.idAt(next)} never`)
    this.#furthest = Math.max(this.#furthest, position)
  }

  rewound({ reason, head, t }: EntryOf<'rewound'>): void {
    const position = positionOf(head)
    if (!this.#faults.explainReset(reason, this.#log.name, t)) this.#found('reset-uncaused', () => reason)
    this.#furthest = Math.max(this.#furthest, position)
    this.#rewoundTo = Math.max(this.#rewoundTo, position)
    this.#unmoved = this.#unmoved.filter(each => each.position >= this.#rewoundTo)
    this.#startAfter(position)
  }

  acking({ a, epoch, id }: EntryOf<'acking'>): void {
    this.#verdict.looked('acknowledgements')
    const position = positionOf(id)
    const newer = this.#epochs.findLast(each => each.epoch > epoch)?.epoch
    this.#open.set(a, { epoch, position, newer })
    this.#sent = Math.max(this.#sent, position)
    if (this.#consumer.isBlind && this.#log.lost.get(id)) this.#furthest = Math.max(this.#furthest, position)
    this.#startAfter(position)
  }

  acked({ a, status, cursor, t }: EntryOf<'acked'>): void {
    const acknowledgement = this.#open.get(a)
    this.#open.delete(a)
    if (!acknowledgement) throw new Error(`${this.#consumer.consumer} has no acknowledgement ${a}.`)
    if (status !== 200) return
    const { epoch, position, newer } = acknowledgement
    if (newer !== undefined && !this.#faults.hasLostTail(this.#log.name, t))
      this.#found(
        'fenced',
        () => `epoch ${epoch} acknowledged ${position}, and epoch ${newer} held it before`,
      )
    if (cursor !== undefined && positionOf(cursor) < position) {
      if (position >= this.#rewoundTo) this.#unmoved.push({ position, cursor })
      return
    }
    const latest = this.#done.at(-1)?.position ?? this.#start
    this.#done.push({ t, position: Math.max(latest, position) })
  }

  cursor({ position }: EntryOf<'cursor'>): void {
    this.#cursor = position
    const passed = this.#log.nextVisible(this.#sent, this.#wanted)
    // It may have passed what a tail has taken since, and others have come in its place.
    if (passed !== undefined && passed <= position && !this.#log.lost.hasPosition(position))
      this.#found(
        'consumer-cursor',
        () => `it passed ${this.#log.idAt(passed)}, which no client had acknowledged`,
      )
  }

  /** Call it at the end, if all was quiet. */
  finish(): void {
    for (const { position, cursor } of this.#unmoved)
      this.#found('consumer-cursor', () => `after ${position} was acknowledged, it was ${cursor}`)
    const never = this.#log.nextVisible(this.#furthest, this.#wanted)
    if (never !== undefined) this.#found('incomplete', () => `${this.#log.idAt(never)} was never handed out`)
    const next = this.#cursor === undefined ? undefined : this.#log.nextVisible(this.#cursor, this.#wanted)
    if (next !== undefined)
      this.#found('incomplete', () => `the cursor ended at ${this.#cursor}, before ${this.#log.idAt(next)}`)
  }

  #checkOrder({ id, t }: EntryOf<'handed'>, { epoch, before, last }: Holding, position: number): void {
    if (last !== undefined && this.#log.nextVisible(last, this.#wanted) === position) return
    const first = this.#log.nextVisible(before, this.#wanted) ?? Number.POSITIVE_INFINITY
    // Handed out before it was compacted.
    if (position > before && this.#log.isCompacted(position)) return
    if (position >= first && this.#starts.has(position)) return
    if (this.#faults.hasLostTail(this.#log.name, t)) return
    this.#found(
      'consumer-order',
      () => `in epoch ${epoch}, ${id} came after ${last ?? `the cursor ${before}`}`,
    )
  }

  #checkFlight({ id }: EntryOf<'handed'>, holding: Holding, position: number): void {
    const { flight } = holding
    // What is handed out again was in flight before.
    while ((flight.at(-1) ?? -1) >= position) flight.pop()
    flight.push(position)
    if (flight.length <= this.#consumer.maxInFlight) return
    holding.flight = flight.filter(each => each > this.#sent)
    if (holding.flight.length > this.#consumer.maxInFlight)
      this.#found('in-flight', () => `in epoch ${holding.epoch}, ${holding.flight.length} with ${id}`)
  }

  #startAfter(position: number): void {
    const next = this.#log.nextVisible(position, this.#wanted)
    if (next !== undefined) this.#starts.add(next)
  }

  #found(rule: Rule, describe: () => string): void {
    this.#verdict.found(rule, () => `consumer ${this.#consumer.consumer} on ${this.#log.name}: ${describe()}`)
  }
}
