/**
 * The publishers against the table: what was acknowledged is there once, what failed is not, an unknown outcome is all or nothing, the
 * events of a transaction stand together and in order, and what was acknowledged before another began stands before it. Linear in the
 * number of published events.
 */
import type { Faults } from './faults.js'
import type { EntryOf } from './history.js'
import type { Rule, Verdict } from './verdict.js'

/** A reason of a failure: its producer had a newer epoch already. */
const FENCED = 'fenced'

interface Publish {
  readonly startedAt: number
  readonly events: EntryOf<'started'>['events']
  outcome?: EntryOf<'outcome'>
}

interface Stored {
  readonly stream: string
  readonly position: number
}

export class PublishCheck {
  readonly #faults: Faults
  readonly #verdict: Verdict
  readonly #publishes = new Map<string, Publish>()
  readonly #publishOf = new Map<string, Publish>()
  readonly #stored = new Map<string, Stored>()
  readonly #lost = new Set<string>()
  /** By stream: the marks in the order of the table. */
  readonly #order = new Map<string, string[]>()

  constructor(faults: Faults, verdict: Verdict) {
    this.#faults = faults
    this.#verdict = verdict
  }

  started({ t, publish, events }: EntryOf<'started'>): void {
    const added = { startedAt: t, events }
    this.#publishes.set(publish, added)
    for (const { mark } of events) this.#publishOf.set(mark, added)
    this.#verdict.looked('publishes')
  }

  outcome(entry: EntryOf<'outcome'>): void {
    const publish = this.#publishes.get(entry.publish)
    if (!publish) throw new Error(`The outcome of ${entry.publish} is recorded, which was not started.`)
    publish.outcome = entry
    this.#verdict.looked(entry.outcome)
  }

  /** @param position undefined for an event that a loss has taken from the table. */
  row(stream: string, mark: string, position: number | undefined): void {
    if (position === undefined) {
      this.#lost.add(mark)
      return
    }
    const known = this.#stored.get(mark)
    if (known) {
      this.#found('stored-twice', mark, `it is at ${known.position} and at ${position} of ${stream}`)
      return
    }
    this.#stored.set(mark, { stream, position })
    const order = this.#order.get(stream) ?? []
    this.#order.set(stream, order)
    order.push(mark)
  }

  finish(): void {
    for (const [name, publish] of this.#publishes) this.#check(name, publish)
    for (const [mark, { stream, position }] of this.#stored)
      if (!this.#publishOf.has(mark))
        this.#found('never-published', mark, `it is at ${position} of ${stream}`)
    for (const [stream, order] of this.#order) this.#checkOrder(stream, order)
  }

  #check(name: string, { events, outcome }: Publish): void {
    if (outcome?.outcome === 'failed') {
      const why = outcome.why ?? 'no reason'
      if (!this.#faults.explainFailure(why, outcome.t)) this.#found('publish-failed', name, why)
    }
    const undone = new Set(outcome?.outcome === 'failed' ? events.map(({ mark }) => mark) : outcome?.undone)
    const due = events.filter(({ mark }) => !undone.has(mark))
    for (const mark of undone) {
      const stored = this.#stored.get(mark)
      // A lost tail may have taken the newer epoch.
      const isExcused =
        outcome?.why === FENCED && stored && this.#faults.hasLostTail(stored.stream, outcome.t)
      if (stored && !isExcused) this.#found('undone-stored', mark, `${outcome?.why ?? 'undone'} in ${name}`)
    }
    for (const { mark, stream } of due) {
      const stored = this.#stored.get(mark)
      if (stored && stored.stream !== stream)
        this.#found('wrong-stream', mark, `it is in ${stored.stream}, and not in ${stream}`)
    }
    // A loss may take the end of a stream, and retention its beginning.
    const present = due.filter(({ mark }) => this.#stored.has(mark))
    const gone = due.filter(
      ({ mark, stream }) =>
        !this.#stored.has(mark) &&
        !(this.#lost.has(mark) && this.#faults.hasLostTail(stream, Number.POSITIVE_INFINITY)) &&
        !this.#faults.explainLoss(stream, outcome?.t ?? Number.NEGATIVE_INFINITY, this.#lost.size > 0),
    )
    // A tail is lost with whole transactions.
    if (present.length > 0)
      for (const { mark, stream } of due)
        if (this.#lost.has(mark) && !this.#stored.has(mark) && !this.#faults.explainHalf(stream))
          this.#found('half-stored', mark, `it is lost, and another part of ${name} is stored`)
    if (outcome?.outcome === 'acknowledged' && present.length === 0) {
      for (const { mark } of gone) this.#found('acknowledged-lost', mark, `${name} was acknowledged`)
    } else if (present.length > 0)
      for (const { mark } of gone) this.#found('half-stored', mark, `another part of ${name} is stored`)
    this.#checkAdjacent(name, present)
  }

  #checkAdjacent(name: string, present: Publish['events']): void {
    const last = new Map<string, number>()
    for (const { mark } of present) {
      const { stream, position } = this.#stored.get(mark) ?? { stream: '', position: 0 }
      const before = last.get(stream)
      if (before !== undefined && position !== before + 1)
        this.#found('not-adjacent', mark, `in ${name}, it is at ${position} after ${before} of ${stream}`)
      last.set(stream, position)
    }
  }

  #checkOrder(stream: string, order: readonly string[]): void {
    let latest = { startedAt: Number.NEGATIVE_INFINITY, mark: '' }
    for (const mark of order) {
      const publish = this.#publishOf.get(mark)
      if (!publish) continue
      const { outcome, startedAt } = publish
      if (outcome?.outcome === 'acknowledged' && outcome.t < latest.startedAt)
        this.#found(
          'acknowledged-order',
          mark,
          `it stands after ${latest.mark} in ${stream}, which began later`,
        )
      if (startedAt > latest.startedAt) latest = { startedAt, mark }
    }
  }

  #found(rule: Rule, what: string, text: string): void {
    this.#verdict.found(rule, () => `${what}: ${text}`)
  }
}
