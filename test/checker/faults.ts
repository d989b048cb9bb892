/** What a fault may cause, by the name that the history has for it. All that no fault explains is a finding. */

/** The faults after which a client may get a reset of a reason. */
const RESETS: Readonly<Record<string, readonly string[]>> = {
  retention: ['retention'],
  'history-lost': ['lost-tail', 'restored', 'recreated'],
  'unknown-id': ['forged-id'],
  deleted: ['deleted'],
}
/** After these, events that were acknowledged may be gone. */
const LOSSES = ['lost-tail', 'restored', 'recreated', 'deleted', 'retention']
/** Answers that a client may get at any time: it comes back. */
const USUAL_STATUSES = [200, 204, 429, 503]
const OTHER_STATUSES: Readonly<Record<number, readonly string[]>> = {
  401: ['revoked', 'expired'],
  403: ['revoked'],
  404: ['deleted'],
  502: ['gateway-killed', 'gateway-stopped', 'proxy'],
  504: ['gateway-killed', 'gateway-stopped', 'gateway-frozen', 'proxy', 'black-holed'],
}
/** Reasons for which a publish may fail at any time. */
const USUAL_FAILURES = ['rolled back', '503', '429']
/** Classes of SQLSTATE that an outage of Postgres explains: connections, and what an operator or a shortage does. */
const OUTAGE = /^(08|57|53|25006)/
const OUTAGES = [
  'postgres-stopped',
  'postgres-killed',
  'promoted',
  'backend-killed',
  'read-only',
  'full',
  'network',
]

/** The time of a fault, and the stream if it concerns only one. */
export interface Injected {
  readonly t: number
  readonly fault: string
  readonly stream?: string | undefined
}

/** One clock, read in several processes. */
const SLACK_MS = 20

export class Faults {
  readonly #all: Injected[] = []

  add(fault: Injected): void {
    this.#all.push(fault)
  }

  get counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { fault } of this.#all) counts.set(fault, (counts.get(fault) ?? 0) + 1)
    return counts
  }

  explainReset(reason: string, stream: string, t: number): boolean {
    return this.#before(RESETS[reason] ?? [], stream, t)
  }

  explainLoss(stream: string, acknowledgedAt: number): boolean {
    return this.#all.some(
      each =>
        LOSSES.includes(each.fault) &&
        concerns(each, stream) &&
        // A standby may lack what was acknowledged before it was promoted.
        each.t >= acknowledgedAt - SLACK_MS,
    )
  }

  explainStatus(status: number, stream: string, t: number): boolean {
    return USUAL_STATUSES.includes(status) || this.#before(OTHER_STATUSES[status] ?? [], stream, t)
  }

  explainFailure(why: string, t: number): boolean {
    return USUAL_FAILURES.includes(why) || (OUTAGE.test(why) && this.#before(OUTAGES, undefined, t))
  }

  #before(names: readonly string[], stream: string | undefined, t: number): boolean {
    return this.#all.some(
      each => names.includes(each.fault) && each.t <= t + SLACK_MS && (!stream || concerns(each, stream)),
    )
  }
}

function concerns({ stream }: Injected, other: string): boolean {
  return stream === undefined || stream === other
}
