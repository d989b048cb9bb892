/** Questions of the parent to all workers: what each of them reports, as one answer. */
import type { ClientReport } from '../src/clients/client-report.js'
import { joined } from '../src/metrics/metrics.js'
import { type RecentSample, sumSamples } from '../src/metrics/recent-metrics.js'
import type { MetricDocument } from '../src/metrics/sampled-metric.js'
import { withinDeadline } from '../src/process/deadline.js'
import {
  type ClientCounts,
  type JointReports,
  type Question,
  sumCounts,
  type Topic,
  type ToWorker,
  type WorkerReports,
} from '../src/process/worker-message.js'

/** A worker that does not report in this time is left out. */
const REPORT_DEADLINE_MS = 500

interface Round<Worker> {
  readonly reports: Partial<WorkerReports>[]
  readonly missing: Set<Worker>
  done(): void
}

export class WorkerRounds<Worker> {
  readonly #tell: (worker: Worker, message: ToWorker) => void
  readonly #rounds = new Map<number, Round<Worker>>()
  #next = 0

  constructor(tell: (worker: Worker, message: ToWorker) => void) {
    this.#tell = tell
  }

  async ask(question: Question, of: Iterable<Worker>): Promise<Partial<JointReports>> {
    const round = this.#next++
    const workers = [...of]
    const reports: Partial<WorkerReports>[] = []
    if (workers.length > 0) {
      const answered = new Promise<void>(done => {
        this.#rounds.set(round, { reports, missing: new Set(workers), done })
      })
      for (const worker of workers) this.#tell(worker, { ...question, say: 'report', round })
      await withinDeadline(answered, REPORT_DEADLINE_MS)
      this.#rounds.delete(round)
    }
    return await jointly(question.topic, reports)
  }

  reported(number: number, worker: Worker, report?: Partial<WorkerReports>): void {
    const round = this.#rounds.get(number)
    if (!round?.missing.delete(worker)) return
    if (report) round.reports.push(report)
    if (round.missing.size === 0) round.done()
  }

  /** The worker has ended, so no round waits for it any more. */
  forget(worker: Worker): void {
    for (const round of this.#rounds.keys()) this.reported(round, worker)
  }
}

async function jointly(
  topic: Topic,
  reports: readonly Partial<WorkerReports>[],
): Promise<Partial<JointReports>> {
  const given = <Value>(values: readonly (Value | undefined)[]) => values.filter(value => value !== undefined)
  if (topic === 'clients')
    return { clients: sumCounts(given<ClientCounts>(reports.map(({ clients }) => clients))) }
  if (topic === 'recent')
    return { recent: sumSamples(given<readonly RecentSample[]>(reports.map(({ recent }) => recent))) }
  if (topic === 'connections')
    return { connections: given<ClientReport>(reports.map(({ connections }) => connections)) }
  return { metrics: await joined(given<readonly MetricDocument[]>(reports.map(({ metrics }) => metrics))) }
}
