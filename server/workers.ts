/**
 * The parent of several gateway processes behind one port (node:cluster). It serves nothing itself: the workers
 * accept connections from a shared socket. Every worker is a complete gateway, with its own connections and listener.
 *
 *            listens              ends
 * starting ───────────▶ running ───────▶ replaced by a new one (starting), at once; with growing delays, up to
 *     │                    │             half a minute, while workers die young
 *     │ ends: if none has ever listened, a retry cannot help; `ended` reports it, and the parent exits
 *     └──── stop ──────────┴─────────▶ stopping ──▶ gone; a worker that takes too long is killed
 *
 * The first worker starts alone, so that an error is reported once.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Logger } from '../src/logging/logger.js'
import { Backoff } from '../src/process/backoff.js'
import { elapsed } from '../src/process/deadline.js'
import { nodeFlags } from '../src/process/node-flags.js'
import type { Address, Question, ToParent, ToWorker } from '../src/process/worker-message.js'
import { workerFlags } from './worker-flags.js'
import { WorkerRounds } from './worker-rounds.js'

/** A worker that ends within this time has died young. */
const YOUNG_MS = 10_000
const RESTART_MS = { minMs: 250, maxMs: 30_000 }

export interface WorkersOptions {
  readonly count: number
  /** Variables in addition to this process's own environment: for every worker, and for one of them at a time. */
  readonly environment: Readonly<Record<'every' | 'first', Readonly<Record<string, string>>>>
  readonly logger: Logger
  /** A stopping worker is killed after this time. */
  readonly stopDeadlineMs: number
}

export class Workers {
  readonly #options: WorkersOptions
  readonly #stopping = new AbortController()
  readonly #rounds = new WorkerRounds<Worker>(tell)
  /** The workers that answer. */
  readonly #listening = new Set<Worker>()
  readonly #backoff = new Backoff(RESTART_MS)
  /** Whether the last attempt to start a worker failed. */
  #short = false
  #announcedMs: number | undefined

  constructor(options: WorkersOptions) {
    this.#options = options
    // Not round-robin by the parent (Node's default): a connection on its way to a killed worker would stay open in
    // the parent, unanswered forever, and no EventSource gives that up. The kernel distributes connections unevenly: of
    // 94,000 clients of eight workers, one had 19,700 and another 6,400. A full worker's clients come back to others.
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.setupPrimary({ execArgv: workerFlags(options.count, process.execArgv, nodeFlags()) })
  }

  /**
   * Starts the workers; resolves when the first one listens.
   * @throws {WorkerEnded} if it ended instead; it has reported the reason itself.
   */
  async start(): Promise<Address> {
    const { count } = this.#options
    const listening = await this.#startFirst()
    for (let n = 1; n < count; n += 1) this.#startAnother(false)
    return listening
  }

  /** Makes the end known to all workers, so that each of them answers `/ready` with 503. From now on none is replaced. */
  announceStop(inMs: number): void {
    this.#announcedMs = inMs
    this.#stopping.abort()
    for (const worker of running()) tell(worker, { say: 'announce', inMs })
  }

  /** Drains all workers; resolves when they are gone. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const workers = running()
    const gone = workers.map(worker => once(worker, 'exit'))
    for (const worker of workers) tell(worker, { say: 'stop' })
    const late = setTimeout(() => {
      for (const worker of running()) worker.process.kill('SIGKILL')
    }, this.#options.stopDeadlineMs)
    await Promise.all(gone)
    clearTimeout(late)
  }

  #fork(first: boolean): Worker {
    const { environment } = this.#options
    const worker = cluster.fork({ ...environment.every, ...(first && environment.first) })
    worker.on('message', (message: ToParent) => this.#hear(worker, message))
    return worker
  }

  async #startFirst(): Promise<Address> {
    const worker = this.#fork(true)
    const listening = new Promise<Address>(resolve => {
      worker.on('message', (message: ToParent) => message.say === 'listening' && resolve(message))
    })
    // Rejects if it could not even start.
    const ended = once(worker, 'exit').then(([code]) => {
      throw new WorkerEnded(typeof code === 'number' ? code : 1)
    })
    const first = await Promise.race([listening, ended])
    ended.catch(() => undefined)
    this.#keep(worker, true)
    return first
  }

  /** Replaces the worker when it ends. */
  #keep(worker: Worker, first: boolean): void {
    const startedAt = Date.now()
    worker.once('exit', (code, signal) => {
      this.#forget(worker)
      const fields = { worker: worker.process.pid, code, signal }
      this.#replace(first, startedAt, () =>
        this.#options.logger.error(fields, 'A worker ended; starting another one.'),
      )
    })
    worker.on('error', error => {
      // Sending to a running worker may fail; the worker continues.
      if (worker.process.pid !== undefined) return
      this.#forget(worker)
      this.#notStarted(first, startedAt, error)
    })
  }

  /** The system had no process or descriptor to spare for the worker; the shortage will end. */
  #notStarted(first: boolean, startedAt: number, error: unknown): void {
    this.#replace(first, startedAt, () => {
      if (!this.#short) this.#options.logger.warn({ err: error }, 'Cannot start a worker; retrying.')
      this.#short = true
    })
  }

  #replace(first: boolean, startedAt: number, report: () => void): void {
    if (this.#stopping.signal.aborted) return
    report()
    const diedYoung = Date.now() - startedAt < YOUNG_MS
    if (!diedYoung) this.#backoff.reset()
    void elapsed(diedYoung ? this.#backoff.next() : 0, this.#stopping.signal).then(
      goOn => goOn && this.#startAnother(first),
    )
  }

  #startAnother(first: boolean): void {
    try {
      this.#keep(this.#fork(first), first)
    } catch (error) {
      // Node throws some shortages, and emits others as an event.
      this.#notStarted(first, Date.now(), error)
    }
  }

  #forget(worker: Worker): void {
    this.#listening.delete(worker)
    this.#rounds.forget(worker)
    // A worker that never ran emits no `exit`, and stopping would wait for it.
    if (worker.process.pid === undefined) delete cluster.workers?.[worker.id]
  }

  #hear(worker: Worker, message: ToParent): void {
    if (message.say === 'listening') {
      this.#listening.add(worker)
      this.#short = false
      if (this.#announcedMs !== undefined) tell(worker, { say: 'announce', inMs: this.#announcedMs })
    } else if (message.say === 'report') this.#rounds.reported(message.round, worker, message.report)
    else void this.#answer(worker, message.question, message)
  }

  /** The metrics of all workers together, in the text format of Prometheus. */
  async metrics(): Promise<string> {
    return (await this.#rounds.ask({ topic: 'metrics', about: undefined }, this.#listening)).metrics ?? ''
  }

  async #answer(to: Worker, question: number, asked: Question): Promise<void> {
    tell(to, { say: 'answer', question, answer: await this.#rounds.ask(asked, this.#listening) })
  }
}

/** The first worker ended before it listened. */
export class WorkerEnded extends Error {
  override readonly name = 'WorkerEnded'
  constructor(readonly code: number) {
    super('The first worker ended before it listened.')
  }
}

function running(): Worker[] {
  return Object.values(cluster.workers ?? {}).flatMap(worker => (worker && !worker.isDead() ? [worker] : []))
}

/** A worker whose channel is closed is about to end. */
function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => undefined)
}
