/** Runners as in production: `sluice runner` in a separate process. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { patient } from './patience.js'
import { type Program, startProgram } from './process.js'
import { type StandInGateway, type StandInJob, TOKEN } from './stand-in-gateway.js'
import { until } from './until.js'

export interface RunnerOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly token?: string
  /** Default: a new one, removed when the test is over. */
  readonly dir?: string
}

/** For `--lease`, in seconds: the shortest that there is; longer on a busy machine, where it would end under a runner that lives. */
export function shortLease(): string {
  return `${Math.ceil(patient(5_000) / 1_000)}`
}

/** Starts a runner of project `site` and does not wait for anything. */
export async function launchRunner(t: Test, url: string, options: RunnerOptions = {}): Promise<Program> {
  const dir = options.dir ?? (await temporaryDir(t))
  return startProgram(t, {
    args: ['runner', '--project', 'site', '--dir', dir, '--url', url, ...(options.args ?? [])],
    env: { SLUICE_TOKEN: options.token ?? TOKEN, ...options.env },
  })
}

/** The same, when it takes jobs. */
export async function startRunner(t: Test, url: string, options: RunnerOptions = {}): Promise<Program> {
  const runner = await launchRunner(t, url, options)
  await runner.until(/^Runner .* executes the commands of project site in /m)
  return runner
}

export async function temporaryDir(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-runner-'))
  t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 20 }))
  return dir
}

export async function untilEnded(job: StandInJob, patienceMs?: number): Promise<StandInJob> {
  await until(`the end of the job`, () => !['queued', 'running'].includes(job.status), patienceMs)
  return job
}

/** Resolves when the job's output, of any attempt, has this line. */
export async function untilLine(job: StandInJob, line: string): Promise<void> {
  await until(`the line ${line}`, () => linesOf(job).includes(line))
}

/** The lines that were stored, in order; of one stream, or of both. */
export function linesOf({ events }: Pick<StandInJob, 'events'>, stream?: 'stdout' | 'stderr'): string[] {
  return events
    .filter(({ data }) => stream === undefined || data.stream === stream)
    .map(({ data }) => data.line)
}

/** Runs one command to its end and returns its job. */
export async function runCommand(gateway: StandInGateway, payload: object): Promise<StandInJob> {
  return await untilEnded(gateway.add(payload))
}
