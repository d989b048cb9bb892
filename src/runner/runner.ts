/**
 * A runner claims jobs while it has capacity, and runs each to its end.
 *
 *   taking ── stop ──▶ finishing: takes no new job ── stop again, or the grace has passed ──▶ handing back ──▶ stopped
 *      └── the gateway refuses the runner itself ──────────────────────────────────────────────────▲
 *
 * Handing back ends the running commands. It has a deadline too: if the gateway is unreachable, nothing can be handed
 * back, and the leases expire by themselves.
 */
import { COMMAND_KIND } from '../jobs/job.js'
import { elapsed } from '../process/deadline.js'
import type { Executors } from './executors.js'
import { type Claim, type ClaimedJob, type Gateway, GatewayAway, Refusal } from './gateway.js'
import { type Ending, runJob } from './job-run.js'
import { isPassing, untilAnswered } from './retry.js'

export interface RunnerOptions {
  readonly gateway: Gateway
  readonly executors: Pick<Executors, 'at'>
  /** The project whose jobs it claims. */
  readonly project: string
  /** Its name in the jobs that it claims. */
  readonly name: string
  readonly dir: string
  readonly env: Readonly<Record<string, string>>
  /** The number of concurrent jobs. */
  readonly concurrency: number
  readonly leaseMs: number
  /** The time for which running commands may continue after the first stop. */
  readonly graceMs: number
  /** One line for a person. */
  log(line: string): void
}

/** The time for which the gateway holds a claim that finds no job. */
const CLAIM_WAIT_MS = 30_000
/** The time for handing back everything: a command has 5 s to end after SIGTERM, and the gateway must be notified. */
const HAND_BACK_MS = 10_000

export class Runner {
  readonly #options: RunnerOptions
  readonly #running = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  readonly #handBack = new AbortController()
  readonly #abandon = new AbortController()
  #fault: unknown
  #away = false
  #onFreed = () => {}

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /**
   * Runs until it is stopped.
   * @throws {GatewayAway} if the gateway is unreachable at the start. Later the runner waits for it.
   * @throws {Refusal} if the gateway does not let this runner claim, at the start or later.
   * @throws {Error} if jobs could not be handed back in time.
   */
  async run(): Promise<void> {
    try {
      await this.#begin()
      while (!this.#stopping.signal.aborted) {
        if (this.#running.size < this.#options.concurrency) await this.#takeOne()
        else await this.#freed()
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#fail(error)
    }
    await Promise.all(this.#running)
    this.#abandon.abort()
    if (this.#fault !== undefined) throw this.#fault
  }

  /** The first call lets running commands finish within the grace period. The second call hands them back now. */
  stop(): void {
    const { log, graceMs } = this.#options
    if (this.#stopping.signal.aborted) {
      this.#beginHandBack()
      return
    }
    this.#stopping.abort()
    if (this.#running.size === 0) return
    log(`Stopping when ${this.#running.size} running jobs have ended, or in ${graceMs / 1_000} s.`)
    void elapsed(graceMs, this.#abandon.signal).then(late => late && this.#beginHandBack())
  }

  /** The first claim does not wait, so that a wrong address or token is reported at once. */
  async #begin(): Promise<void> {
    const { gateway, project, name, dir, log } = this.#options
    try {
      const job = await gateway.claim(this.#claim(0), this.#stopping.signal)
      if (job) this.#start(job)
    } catch (error) {
      if (error instanceof GatewayAway || !isPassing(error)) throw error
      this.#complain(error)
    }
    log(`Runner ${name} executes the commands of project ${project} in ${dir}.`)
  }

  async #takeOne(): Promise<void> {
    const { signal } = this.#stopping
    const ask = () => this.#options.gateway.claim(this.#claim(CLAIM_WAIT_MS), signal)
    const job = await untilAnswered(ask, { signal, onRetry: error => this.#complain(error) })
    this.#away = false
    if (job) this.#start(job)
  }

  /** Resolves when a job ends. Promise.race would add a handler per turn to a job that runs for days. */
  #freed(): Promise<void> {
    return new Promise(resolve => {
      this.#onFreed = resolve
    })
  }

  #claim(waitMs: number): Claim {
    const { project, name, leaseMs } = this.#options
    return {
      projects: [project],
      kinds: [COMMAND_KIND],
      runner: name,
      lease_ms: leaseMs,
      wait_ms: waitMs,
    }
  }

  #start(job: ClaimedJob): void {
    const { log } = this.#options
    log(`Job ${job.id}: attempt ${job.attempt} begins.`)
    const running = runJob(job, {
      ...this.#options,
      handBack: this.#handBack.signal,
      abandon: this.#abandon.signal,
      onRetry: error => this.#complain(error),
    }).then(ending => {
      this.#running.delete(running)
      this.#onFreed()
      log(`Job ${job.id}: ${inWords(ending)}.`)
      if (ending.how === 'lost' && isRunnerRefused(ending.reason)) this.#fail(ending.reason)
    })
    this.#running.add(running)
  }

  #beginHandBack(): void {
    if (this.#handBack.signal.aborted) return
    if (this.#running.size > 0) this.#options.log(`Handing back ${this.#running.size} jobs.`)
    this.#handBack.abort()
    void elapsed(HAND_BACK_MS, this.#abandon.signal).then(late => {
      if (!late) return
      this.#fault ??= new Error('Not all jobs could be handed back in time. Their leases end by themselves.')
      this.#abandon.abort(new Error('it could not be handed back in time'))
    })
  }

  #fail(error: unknown): void {
    this.#fault ??= error
    this.#stopping.abort()
    this.#beginHandBack()
  }

  /** Once for each outage of the gateway. */
  #complain(error: unknown): void {
    if (!this.#away) this.#options.log(`The gateway does not answer as it should (${error}); trying again.`)
    this.#away = true
  }
}

/** The token has expired, or lacks the role: every other job would fail too. */
export function isRunnerRefused(error: unknown): boolean {
  return error instanceof Refusal && (error.status === 401 || error.status === 403)
}

function inWords(ending: Ending): string {
  if (ending.how === 'lost')
    return `lost (${ending.reason instanceof Error ? ending.reason.message : ending.reason})`
  if (ending.how === 'handed back') return ending.how
  const { exit_code, signal, duration_ms, timed_out, error } = ending.result
  if (error !== undefined) return `${ending.how}: ${error}`
  return `${ending.how}, ${timed_out ? 'timed out, ' : ''}${signal ?? `exit code ${exit_code}`}, ${duration_ms} ms`
}
