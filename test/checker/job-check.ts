/**
 * The stream of a job against its states: created, then attempts one after the other, each told by one runner, and one end. And the
 * answers of 2xx that runners got: nobody tells or ends an attempt after a newer one was claimed, and what was stored is in the stream.
 */
import type { Faults } from './faults.js'
import type { EntryOf } from './history.js'
import type { Verdict } from './verdict.js'

/** The ends that a runner makes. */
const RUNNER_ENDS = ['job.completed', 'job.failed']
/** Clocks of several processes. */
const SLACK_MS = 20
const STATE = /^job\.(?:created|started|requeued|completed|failed|cancelled|aborted|interrupted)$/
/** The types that end the stream of a job. */
export const JOB_ENDS = ['job.completed', 'job.failed', 'job.cancelled', 'job.aborted', 'job.interrupted']
const STATES =
  /^created (?:(?:cancelled|aborted|failed)|started (?:requeued (?:started )?)*(?:completed|failed|cancelled|aborted|interrupted))$/

type Row = Pick<EntryOf<'row'>, 'type' | 'by' | 'attempt'>

export class JobCheck {
  readonly #name: string
  readonly #faults: Faults
  readonly #verdict: Verdict
  readonly #rows: Row[] = []
  readonly #answers: EntryOf<'job'>[] = []

  constructor(name: string, faults: Faults, verdict: Verdict) {
    this.#name = name
    this.#faults = faults
    this.#verdict = verdict
  }

  row({ type, by, attempt }: EntryOf<'row'>): void {
    this.#rows.push({ type, ...(by !== undefined && { by }), ...(attempt !== undefined && { attempt }) })
  }

  answer(entry: EntryOf<'job'>): void {
    this.#answers.push(entry)
  }

  /** @param isStored whether the table has its stream. */
  finish(isStored: boolean): void {
    const [answer] = this.#answers
    if (!isStored) {
      if (answer && !this.#faults.explainLoss(this.#name, answer.t, false))
        this.#verdict.found('job-states', () => `${this.#name} was ${answer.did}, and is not in the table`)
      return
    }
    this.#verdict.looked('jobs')
    const fault = this.#faultInStates()
    if (fault) this.#verdict.found('job-states', () => `${this.#name}: ${fault}`)
    // A lost tail may take the claims with the events.
    const kept = this.#answers.filter(({ t }) => !this.#faults.explainLoss(this.#name, t, false))
    for (const answer of kept) this.#checkAnswer(answer, kept)
  }

  #faultInStates(): string | undefined {
    const states = this.#rows.filter(({ type }) => STATE.test(type))
    const text = states.map(({ type }) => type.slice('job.'.length)).join(' ')
    if (!STATES.test(text)) return `its states went ${text}`
    let start: Row | undefined
    let attempts = 0
    for (const row of this.#rows) {
      if (row.type === 'job.started') {
        attempts += 1
        start = row
        if (row.attempt !== undefined && row.attempt !== attempts)
          return `attempt ${attempts} calls itself ${row.attempt}`
      } else if (row.type === 'job.requeued') start = undefined
      else if (RUNNER_ENDS.includes(row.type) && start && row.by !== undefined && row.by !== start.by)
        return `${row.by} ended the attempt of ${start.by}`
      else if (!STATE.test(row.type) && row.by !== undefined && row.by !== start?.by)
        return `${row.by} told ${row.type} while ${start?.by ?? 'no one'} had the job`
    }
    return undefined
  }

  #checkAnswer(
    { did, asked, runner, attempt = 0, type, count = 0 }: EntryOf<'job'>,
    answers: readonly EntryOf<'job'>[],
  ): void {
    const claims = answers.filter(each => each.did === 'claimed')
    const found = (text: string) => this.#verdict.found('job-holder', () => `${this.#name}: ${text}`)
    if (did === 'claimed') {
      const other = claims.find(each => each.attempt === attempt && each.runner !== runner)
      if (other) found(`${runner} and ${other.runner} have claimed attempt ${attempt}`)
      return
    }
    const newer = claims.find(each => (each.attempt ?? 0) > attempt && each.t < asked - SLACK_MS)
    if (newer && did !== 'submitted')
      found(`${runner} ${did} attempt ${attempt}, and ${newer.runner} had claimed ${newer.attempt} before`)
    if (JOB_ENDS.includes(type ?? '') && this.#rows.at(-1)?.type !== type)
      found(`its end ${type} was acknowledged, and it ended with ${this.#rows.at(-1)?.type}`)
    if (this.#toldIn(attempt) < count) found(`events of attempt ${attempt} are missing`)
  }

  /** How many events an attempt has. */
  #toldIn(attempt: number): number {
    let started = 0
    return this.#rows.filter(({ type }) => {
      if (type === 'job.started') started += 1
      return started === attempt && !STATE.test(type)
    }).length
  }
}
