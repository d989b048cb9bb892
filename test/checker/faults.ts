/**
 * What a fault may cause, by the name that the history has for it. A fault lasts until it is healed, and what it causes a little longer.
 * All that no fault explains is a finding.
 */
import { parseEventId } from '../../src/log/event-id.js'

/** The faults after which a client may get a reset of a reason, whenever it comes back. */
const RESETS: Readonly<Record<string, readonly string[]>> = {
  retention: ['retention'],
  'history-lost': ['lost-tail', 'restored', 'recreated', 'two-writable', 'forged-id'],
  // The place of a client that names it by its position alone.
  'unknown-id': ['forged-id', 'lost-tail', 'restored', 'two-writable'],
  // A lost tail may take a whole stream.
  deleted: ['deleted', 'lost-tail'],
}
/** After these, events that were acknowledged may be gone. The first two take whole transactions, from all streams. */
const TAILS = ['lost-tail', 'restored']
const LOSSES = [...TAILS, 'recreated', 'deleted', 'retention']
/** Failures of a publish on purpose. */
const INTENDED = ['rolled back', 'fenced']
/** Answers that say nothing of a fault. */
const USUAL_STATUSES = [200, 204]
/** Answers that any fault explains while it lasts: a client comes back. */
const BUSY_STATUSES = [429, 503]
/** Of these, what lies before a gateway. */
const PROXY_STATUSES = [502, 504]
const PROXY = /^(?:gateway|upstream|nginx|proxy|black-holed)/
/** Answers that a fault explains for ever after it. */
const LASTING_STATUSES: Readonly<Record<number, readonly string[]>> = {
  401: ['revoked', 'expired'],
  403: ['revoked'],
  404: ['deleted', 'recreated', 'restored', 'lost-tail', 'two-writable'],
  // A page instead of a reset.
  410: ['retention', 'lost-tail', 'restored', 'recreated', 'forged-id'],
}
/**
 * Classes of SQLSTATE that an outage of Postgres explains: connections, and what an operator or a shortage does; 25P03: a session that a
 * fault has kept waiting in its transaction.
 */
const SHORTAGE = /^(?:08|57|53|25006|25P03)/
const OUTAGE =
  /^(?:postgres|promoted|lost-tail|restored|backend|read-only|full|network|table-locked|database|publishers|proxy|gateway)/

/** So long after its end a fault explains an answer, and a failed publish, which may have waited for a time-out. */
const ANSWER_MS = 15_000
const FAILURE_MS = 30_000
/** One clock, read in several processes. */
const SLACK_MS = 20

/** The time of a fault, and the stream if it concerns only one. */
export interface Injected {
  readonly t: number
  readonly fault: string
  readonly stream?: string | undefined
  readonly base?: string | undefined
}

interface Lasting extends Injected {
  /** Undefined: it was not healed. */
  until?: number
}

export class Faults {
  readonly #all: Lasting[] = []
  readonly #ends: Injected[] = []

  add(fault: Injected): void {
    this.#all.push({ ...fault })
  }

  healed(end: Injected): void {
    this.#ends.push(end)
  }

  /** Call it when all are known: the lines may have come in any order. */
  finish(): void {
    const byTime = (one: Injected, other: Injected) => one.t - other.t
    this.#all.sort(byTime)
    for (const end of this.#ends.toSorted(byTime)) {
      const fault = this.#all.findLast(
        each =>
          each.fault === end.fault &&
          each.stream === end.stream &&
          each.t <= end.t &&
          each.until === undefined,
      )
      if (!fault) throw new Error(`The fault ${end.fault} was healed at ${end.t}, and did not last then.`)
      fault.until = end.t
    }
  }

  get names(): ReadonlySet<string> {
    return new Set(this.#all.map(({ fault }) => fault))
  }

  explainReset(reason: string, stream: string, t: number): boolean {
    return this.#before(RESETS[reason] ?? [], stream, t)
  }

  /** The last position that retention had removed from a stream by then; undefined if the history does not say it. */
  baseAt(stream: string, t: number): number | undefined {
    const bases = this.#all.flatMap(each =>
      each.stream === stream && each.t <= t + SLACK_MS ? (parseEventId(each.base ?? '')?.position ?? []) : [],
    )
    return bases.length > 0 ? Math.max(...bases) : undefined
  }

  /** @param areRecorded whether the history has the rows of lost tails, so that a tail explains no other one. */
  explainLoss(stream: string, acknowledgedAt: number, areRecorded: boolean): boolean {
    return this.#all.some(
      each =>
        LOSSES.includes(each.fault) &&
        !(areRecorded && TAILS.includes(each.fault)) &&
        concerns(each, stream) &&
        // A standby may lack what was acknowledged before it was promoted.
        (each.until ?? each.t) >= acknowledgedAt - SLACK_MS,
    )
  }

  /** Whether a stream may have lost one event of a transaction, and another stream not. */
  explainHalf(stream: string): boolean {
    return this.#all.some(
      each => LOSSES.includes(each.fault) && !TAILS.includes(each.fault) && concerns(each, stream),
    )
  }

  /** Whether the rows of consumers, webhooks and jobs may have gone back with a tail. */
  hasLostTail(stream: string, t: number): boolean {
    return this.#before([...TAILS, 'two-writable'], stream, t)
  }

  /** Whether gateways may still have what another one's server has lost. */
  isFailingOver(t: number): boolean {
    return this.#during(/^(?:two-writable|promoted|lost-tail|restored)$/, t, ANSWER_MS)
  }

  /** Whether two servers have histories of their own, so that one may not know what a client got from the other. */
  areTwoWritable(t: number): boolean {
    return this.#during(/^two-writable$/, t, ANSWER_MS)
  }

  explainStatus(status: number, stream: string, t: number): boolean {
    if (USUAL_STATUSES.includes(status)) return true
    if (BUSY_STATUSES.includes(status)) return this.explainEnd(stream, t)
    if (PROXY_STATUSES.includes(status)) return this.#during(PROXY, t, ANSWER_MS)
    return this.#before(LASTING_STATUSES[status] ?? [], stream, t)
  }

  /** Whether a connection may have been broken, or ended early. */
  explainEnd(stream: string, t: number): boolean {
    return this.#during(/^/, t, ANSWER_MS, stream)
  }

  explainFailure(why: string, t: number): boolean {
    if (INTENDED.includes(why)) return true
    if (/^\d{3}$/.test(why)) return this.explainStatus(Number(why), '', t)
    return SHORTAGE.test(why) && this.#during(OUTAGE, t, FAILURE_MS)
  }

  #before(names: readonly string[], stream: string | undefined, t: number): boolean {
    return this.#all.some(
      each => names.includes(each.fault) && each.t <= t + SLACK_MS && (!stream || concerns(each, stream)),
    )
  }

  #during(names: RegExp, t: number, longer: number, stream?: string): boolean {
    return this.#all.some(
      each =>
        each.t <= t + SLACK_MS &&
        t <= (each.until ?? each.t) + longer &&
        names.test(each.fault) &&
        (!stream || concerns(each, stream)),
    )
  }
}

function concerns({ stream }: Injected, other: string): boolean {
  return stream === undefined || stream === other
}
