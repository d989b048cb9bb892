/** The streams as the table has them after the run: without gaps, with one end where there has to be one. */

import type { Faults } from './faults.js'
import type { EntryOf } from './history.js'
import { JobCheck } from './job-check.js'
import type { PublishCheck } from './publish-check.js'
import { placeOf, StreamLog } from './stream-log.js'
import type { Verdict } from './verdict.js'

export class TableCheck {
  readonly logs = new Map<string, StreamLog>()
  readonly #faults: Faults
  readonly #verdict: Verdict
  readonly #publishes: PublishCheck
  readonly #jobs = new Map<string, JobCheck>()
  readonly #begun = new Set<string>()

  constructor(faults: Faults, verdict: Verdict, publishes: PublishCheck) {
    this.#faults = faults
    this.#verdict = verdict
    this.#publishes = publishes
  }

  begin(entry: EntryOf<'log'>): void {
    this.#begun.add(entry.stream)
    this.#logOf(entry.stream).begin(entry)
    if (entry.terminal) this.#jobOf(entry.stream)
  }

  row(row: EntryOf<'row'>): void {
    if (!row.lost && !row.removed && !this.#begun.has(row.stream))
      throw new Error(`${row.stream} has a row before its log.`)
    const log = this.#logOf(row.stream)
    const head = log.head
    if (!log.add(row)) {
      this.#verdict.found('table-gap', () => `${row.id} of ${row.stream} stands after ${head}`)
      return
    }
    this.#verdict.looked(row.lost ? 'lost events' : row.removed ? 'removed events' : 'events')
    const isKnown = !row.lost && log.head === head
    // What retention removed was recorded before the log of its stream, which has it again if it was left.
    if (!row.lost && !row.removed) this.#jobs.get(row.stream)?.row(row)
    if (row.mark !== undefined && !isKnown)
      this.#publishes.row(row.stream, row.mark, row.lost ? undefined : placeOf(row.id)?.position)
  }

  answer(entry: EntryOf<'job'>): void {
    this.#jobOf(entry.job).answer(entry)
  }

  finish(): void {
    for (const log of this.logs.values()) this.#checkEnd(log)
    for (const [stream, job] of this.#jobs) job.finish(this.#begun.has(stream))
  }

  #logOf(stream: string): StreamLog {
    const log = this.logs.get(stream) ?? new StreamLog(stream)
    this.logs.set(stream, log)
    return log
  }

  #jobOf(stream: string): JobCheck {
    const job = this.#jobs.get(stream) ?? new JobCheck(stream, this.#faults, this.#verdict)
    this.#jobs.set(stream, job)
    return job
  }

  #checkEnd(log: StreamLog): void {
    const { terminal, name, head, first } = log
    if (!terminal) return
    const ends: number[] = []
    for (let position = first.position + 1; position <= head; position += 1)
      if (terminal.includes(log.typeAt(position))) ends.push(position)
    if (ends[0] !== head)
      this.#verdict.found(
        'terminal',
        () => `${name} has ${head} events and its ends at ${ends.join(', ') || 'no place'}`,
      )
  }
}
