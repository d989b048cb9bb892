/**
 * One job, from its claim to its report.
 *
 *   running ── exits ────────────▶ its output is stored ──▶ completed | failed
 *      ├── timeout: ended ───────▶ its output is stored ──▶ failed, timed_out
 *      ├── to hand back: ended ──▶ its output is stored ──▶ handed back
 *      └── refused (cancelled, lease lost): ended ────────▶ lost, and nothing further is reported about it
 *
 * Heartbeats continue until the report is stored. A final refusal by the gateway makes the job lost in any state: it
 * has ended, or another attempt is running.
 */
import type { BuiltInEvent } from '../log/event-catalogue.js'
import { type Command, type CommandResult, commandOf } from './command.js'
import type { Outcome, OutputStream } from './executor.js'
import type { Executors } from './executors.js'
import type { ClaimedJob, Gateway } from './gateway.js'
import { keepLease } from './heartbeat.js'
import { type Line, LineSplitter } from './lines.js'
import { untilAnswered } from './retry.js'
import { Uploader } from './uploader.js'

export interface JobRunOptions {
  readonly gateway: Gateway
  readonly executors: Pick<Executors, 'at'>
  /** The directory in which commands run. */
  readonly dir: string
  /** Their environment, without the variables that a job adds. */
  readonly env: Readonly<Record<string, string>>
  readonly leaseMs: number
  /** Aborts when the job has to be ended and handed back. */
  readonly handBack: AbortSignal
  /** Aborts when there is no time left to report to the gateway; its reason says so. */
  readonly abandon: AbortSignal
  /** A request failed and will be retried. */
  onRetry(error: unknown): void
}

export type Ending =
  | { readonly how: 'completed' | 'failed'; readonly result: CommandResult }
  | { readonly how: 'handed back' }
  | { readonly how: 'lost'; readonly reason: unknown }

/** Runs the job to one of its final states. Never rejects. */
export async function runJob(job: ClaimedJob, options: JobRunOptions): Promise<Ending> {
  return await new JobRun(job, options).run()
}

class JobRun {
  readonly #job: ClaimedJob
  readonly #options: JobRunOptions
  /** Aborts when the job is lost, with the reason. */
  readonly #lost = new AbortController()
  /** The response to the report decides: a heartbeat that arrives after it finds that we have ended the job. */
  #reporting = false

  constructor(job: ClaimedJob, options: JobRunOptions) {
    this.#job = job
    this.#options = options
  }

  async run(): Promise<Ending> {
    const { gateway, leaseMs, abandon } = this.#options
    const lose = (reason: unknown) => this.#lost.abort(reason)
    const giveUp = () => lose(abandon.reason)
    abandon.addEventListener('abort', giveUp)
    const over = new AbortController()
    void keepLease({
      beat: () => gateway.heartbeat(this.#job, leaseMs, over.signal),
      onRefused: error => this.#reporting || lose(error),
      signal: over.signal,
    })
    try {
      const result = await this.#execute()
      this.#lost.signal.throwIfAborted()
      this.#reporting = true
      return await this.#report(result)
    } catch (reason) {
      return { how: 'lost', reason }
    } finally {
      over.abort()
      abandon.removeEventListener('abort', giveUp)
    }
  }

  /** Undefined if the command was ended to hand the job back. */
  async #execute(): Promise<CommandResult | undefined> {
    const { executors, dir, env, handBack } = this.#options
    const halt = new AbortController()
    let haltedBy: 'timeout' | 'hand-back' | undefined
    const haltBy = (reason: 'timeout' | 'hand-back') => () => {
      haltedBy ??= reason
      halt.abort()
    }
    const [onLost, onHandBack] = [() => halt.abort(), haltBy('hand-back')]
    this.#lost.signal.addEventListener('abort', onLost)
    handBack.addEventListener('abort', onHandBack)
    let late: NodeJS.Timeout | undefined
    try {
      if (handBack.aborted) return undefined
      const command = commandOf(this.#job.payload)
      const executor = executors.at(this.#job)
      const timeoutMs = timeoutOf(this.#job, command)
      if (timeoutMs !== undefined) late = setTimeout(haltBy('timeout'), timeoutMs)
      const output = this.#output()
      const outcome = await executor.run(command.command, {
        cwd: dir,
        env,
        variables: { ...command.env, ...identityOf(this.#job) },
        timeoutMs,
        signal: halt.signal,
        onOutput: output.take,
      })
      clearTimeout(late)
      await output.end()
      return haltedBy === 'hand-back' ? undefined : resultOf(outcome, haltedBy === 'timeout')
    } catch (error) {
      return { exit_code: null, signal: null, duration_ms: 0, error: messageOf(error) }
    } finally {
      clearTimeout(late)
      this.#lost.signal.removeEventListener('abort', onLost)
      handBack.removeEventListener('abort', onHandBack)
    }
  }

  /** The destination of the command's output: line by line, into the job's stream. */
  #output() {
    const uploader = new Uploader({
      send: batch => this.#call(() => this.#options.gateway.append(this.#job, batch, this.#lost.signal)),
      onRefused: error => this.#lost.abort(error),
    })
    const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() }
    const events = (stream: OutputStream, lines: Line[]) => lines.map(line => outputEvent(stream, line))
    return {
      take: (stream: OutputStream, chunk: Buffer) =>
        uploader.write(events(stream, splitters[stream].push(chunk))),
      async end() {
        const { stdout, stderr } = splitters
        await uploader.write([...events('stdout', stdout.end()), ...events('stderr', stderr.end())])
        await uploader.flush()
      },
    }
  }

  async #report(result: CommandResult | undefined): Promise<Ending> {
    const { gateway } = this.#options
    const { signal } = this.#lost
    if (result === undefined) {
      await this.#call(() => gateway.release(this.#job, signal))
      return { how: 'handed back' }
    }
    const good = result.exit_code === 0 && result.timed_out !== true
    await this.#call(() => gateway.finish(this.#job, good ? 'complete' : 'fail', result, signal))
    return { how: good ? 'completed' : 'failed', result }
  }

  async #call(ask: () => Promise<void>): Promise<void> {
    await untilAnswered(ask, { signal: this.#lost.signal, onRetry: this.#options.onRetry })
  }
}

/** `continues` marks each part of a long line except its last, `replaced` a line whose bytes were not UTF-8. */
function outputEvent(stream: OutputStream, { text, continues, replaced }: Line): BuiltInEvent<'output'> {
  const marks = { ...(continues && { continues }), ...(replaced && { replaced }) }
  return { type: 'output', data: { line: text, stream, ...marks } }
}

/** The shorter one of the job's timeout and its payload's. */
function timeoutOf(job: ClaimedJob, command: Command): number | undefined {
  const timeouts = [job.timeout_ms, command.timeout_ms].filter(ms => typeof ms === 'number')
  return timeouts.length > 0 ? Math.min(...timeouts) : undefined
}

/**
 * Variables by which a command can detect that it was started before, fence its effects elsewhere, and continue the trace of its job
 * (https://opentelemetry.io/docs/specs/otel/context/env-carriers/).
 */
function identityOf({ id, attempt, traceparent }: ClaimedJob): Record<string, string> {
  return {
    SLUICE_JOB_ID: id,
    SLUICE_JOB_ATTEMPT: `${attempt}`,
    ...(traceparent && { TRACEPARENT: traceparent }),
  }
}

function resultOf({ exitCode, signal, durationMs, error }: Outcome, timedOut: boolean): CommandResult {
  return {
    exit_code: exitCode,
    signal,
    duration_ms: durationMs,
    ...(timedOut && { timed_out: true }),
    ...(error !== undefined && { error }),
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
