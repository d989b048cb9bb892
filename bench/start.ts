/** The cost of a start: CPU until the gateway is ready, and the time until a person sees its address. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '../src/embedded-postgres/embedded-postgres.js'
import { packageRoot } from '../src/process/package-root.js'
import { outputOf, start } from './child.js'
import { cpuSeconds, residentBytes } from './process-usage.js'
import type { Row, Size } from './row.js'
import { percentile, round, sorted } from './statistics.js'

const MAIN = fileURLToPath(new URL('../server/main.js', import.meta.url))
const STARTS = { default: 7, full: 21 }
const MIB = 1_024 * 1_024
/** The end of the banner. */
const BANNER = 'Ctrl-C'

interface Start {
  readonly ms: number
  /** Of the gateway's process; undefined if it is not the one that was started. */
  readonly cpuMs?: number
  readonly bytes?: number
}

export async function startUp(size: Size): Promise<Row[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  try {
    const database = await startEmbedded({ dataDir })
    const gateway = () => ready(process.execPath, [MAIN], { DATABASE_URL: database.url, DATA_DIR: dataDir })
    const rows = [await median('node dist/server/main.js, DATABASE_URL', STARTS[size], gateway)]
    await database.close()
    const npm = () => banner('npm', ['start', '--silent'], { DATA_DIR: dataDir })
    rows.push(await median('npm start, embedded Postgres', STARTS[size], npm))
    return rows
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** The first start is not counted: it migrates, or compiles. */
async function median(started: string, starts: number, once: () => Promise<Start>): Promise<Row> {
  await once()
  const all: Start[] = []
  while (all.length < starts) all.push(await once())
  const of = (value: (start: Start) => number | undefined) => {
    const values = all.map(value).filter(one => one !== undefined)
    return values.length === 0 ? '' : round(percentile(sorted(values), 50))
  }
  return {
    started,
    starts,
    'CPU ms': of(({ cpuMs }) => cpuMs),
    'ms to the banner': of(({ ms }) => ms),
    'resident MiB': of(({ bytes }) => bytes && bytes / MIB),
  }
}

/** Starts a gateway in this process's child, and checks that it is ready when it says so. */
async function ready(command: string, args: readonly string[], env: Record<string, string>): Promise<Start> {
  const { child, ms, url } = await launch(command, args, env)
  const pid = child.pid ?? 0
  const [cpu, bytes] = await Promise.all([cpuSeconds(pid), residentBytes(pid)])
  const { status } = await fetch(`${url}/ready`)
  await end(child)
  if (status !== 200) throw new Error(`The gateway printed its address, but /ready answered ${status}.`)
  return { ms, cpuMs: cpu * 1_000, bytes }
}

async function banner(command: string, args: readonly string[], env: Record<string, string>): Promise<Start> {
  const { child, ms } = await launch(command, args, env)
  await end(child)
  return { ms }
}

async function launch(command: string, args: readonly string[], env: Record<string, string>) {
  const begun = performance.now()
  const child = start(command, args, {
    cwd: packageRoot,
    env: { ...process.env, PORT: '0', LOG_LEVEL: 'warn', ...env },
  })
  const text = await outputOf(child, BANNER)
  return { child, ms: performance.now() - begun, url: /http:\/\/[\w.:]+/.exec(text)?.[0] ?? '' }
}

/** Waits for the end of its output: under npm the gateway ends after npm does. */
async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.stdout?.resume()
  child.kill('SIGTERM')
  await closed
}
