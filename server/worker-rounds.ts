/** Questions of the parent to all workers, whose reports become one answer. */
import type { ClientReport } from '../src/clients/client-report.js'
import { countersIn, KeptCounters } from '../src/metrics/kept-counters.js'
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

/** A worker that does not report in this time is left out; of its metrics, the counters of its last report stay. */
const REPORT_DEADLINE_MS = 500

interface Round<Worker> {
  readonly reports: Map<Worker, Partial<WorkerReports>>
  readonly missing: Set<Worker>
  done(): void
}

export class WorkerRounds<Worker> {
  readonly #tell: (worker: Worker, message: ToWorker) => void
  readonly #rounds = new Map<number, Round<Worker>>()
  #next = 0
  /** The last report of each worker that runs. */
  readonly #metrics = new Map<Worker, readonly MetricDocument[]>()
  readonly #ended = new KeptCounters()

  constructor(tell: (worker: Worker, message: ToWorker) => void) {
    this.#tell = tell
  }

  async ask(question: Question, of: Iterable<Worker>): Promise<Partial<JointReports>> {
    const workers = [...of]
    if (question.topic === 'metrics') return { metrics: await this.#metricsOf(question, workers) }
    const reports = await this.#reports(question, workers)
    return jointly(question.topic, [...reports.values()])
  }

  reported(number: number, worker: Worker, report?: Partial<WorkerReports>): void {
    if (report?.metrics) this.#metrics.set(worker, report.metrics)
    const round = this.#rounds.get(number)
    if (!round?.missing.delete(worker)) return
    if (report) round.reports.set(worker, report)
    if (round.missing.size === 0) round.done()
  }

  /** The worker has ended, so no round waits for it any more. Its counters remain, so that no sum falls. */
  forget(worker: Worker): void {
    for (const round of this.#rounds.keys()) this.reported(round, worker)
    this.#ended.add(this.#metrics.get(worker) ?? [])
    this.#metrics.delete(worker)
  }

  async #metricsOf(question: Question, workers: readonly Worker[]): Promise<string> {
    // From before the round, so that a worker that ends during the round counts once.
    const ended = this.#ended.documents
    const before = new Map(this.#metrics)
    const reports = await this.#reports(question, workers)
    const all = workers.map(worker => reports.get(worker)?.metrics ?? countersIn(before.get(worker) ?? []))
    return joined([...all, ended])
  }

  async #reports(
    question: Question,
    workers: readonly Worker[],
  ): Promise<ReadonlyMap<Worker, Partial<WorkerReports>>> {
    const round = this.#next++
    const reports = new Map<Worker, Partial<WorkerReports>>()
    if (workers.length === 0) return reports
    const answered = new Promise<void>(done => {
      this.#rounds.set(round, { reports, missing: new Set(workers), done })
    })
    for (const worker of workers) this.#tell(worker, { ...question, say: 'report', round })
    await withinDeadline(answered, REPORT_DEADLINE_MS)
    this.#rounds.delete(round)
    return reports
  }
}

function jointly(
  topic: Exclude<Topic, 'metrics'>,
  reports: readonly Partial<WorkerReports>[],
): Partial<JointReports> {
  if (topic === 'clients')
    return { clients: sumCounts(given<ClientCounts>(reports.map(({ clients }) => clients))) }
  if (topic === 'recent')
    return { recent: sumSamples(given<readonly RecentSample[]>(reports.map(({ recent }) => recent))) }
  return { connections: given<ClientReport>(reports.map(({ connections }) => connections)) }
}

function given<Value>(values: readonly (Value | undefined)[]): Value[] {
  return values.filter(value => value !== undefined)
}
