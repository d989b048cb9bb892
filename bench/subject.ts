/**
 * What is measured: a gateway in a process of its own, configured as it comes, on an embedded Postgres with fsync
 * on, both thrown away afterwards.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '../src/database/embedded.js'

/** With its id and name an event is about 230 bytes on the wire. */
export const PADDING = 'x'.repeat(150)

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))
const BARE = fileURLToPath(new URL('./bare.js', import.meta.url))
/** Clock ticks a second in /proc; fixed on Linux. */
const TICKS = 100

export interface Server {
  readonly url: string
  /** Token of a viewer. */
  readonly viewer: string
  /** Publishes event n over HTTP and resolves with its answer. */
  publish(n: number): Promise<void>
  /** CPU seconds that the server's process has used. */
  cpuSeconds(): Promise<number>
  close(): Promise<void>
}

export interface Subject extends Server {
  readonly databaseUrl: string
  readonly editor: string
}

export async function startSubject(): Promise<Subject> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const database = await startEmbedded({ dataDir })
  const gateway = spawn(process.execPath, [MAIN], {
    env: {
      ...process.env,
      PORT: '0',
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      RATE_LIMIT_MAX: '0',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const text = await outputOf(gateway, 'Ctrl-C')
  const [viewer = '', editor = ''] = [...text.matchAll(/Bearer ([\w.-]+)/g)].map(([, token]) => token ?? '')
  return {
    ...serverOf(gateway, text, viewer, editor),
    editor,
    databaseUrl: database.url,
    async close() {
      await stop(gateway)
      await database.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** The baseline (bench/bare.ts), which knows no tokens. */
export async function startBare(): Promise<Server> {
  const server = spawn(process.execPath, [BARE], { stdio: ['ignore', 'pipe', 'inherit'] })
  const text = await outputOf(server, '\n')
  return { ...serverOf(server, text, 'none', 'none'), close: () => stop(server) }
}

function serverOf(process: ChildProcess, text: string, viewer: string, editor: string) {
  const url = /http:\/\/[\w.:]+/.exec(text)?.[0] ?? ''
  const headers = { authorization: `Bearer ${editor}`, 'content-type': 'application/json' }
  return {
    url,
    viewer,
    async publish(n: number) {
      const body = JSON.stringify({ type: 'tick', data: { n, padding: PADDING } })
      const response = await fetch(`${url}/api/events`, { method: 'POST', headers, body })
      const answer = await response.text()
      if (response.status !== 201) throw new Error(answer)
    },
    cpuSeconds: () => cpuSeconds(process.pid ?? 0),
  }
}

async function stop(process: ChildProcess): Promise<void> {
  process.kill('SIGTERM')
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit')
}

async function outputOf(process: ChildProcess, until: string): Promise<string> {
  let text = ''
  process.stdout?.setEncoding('utf8')
  for await (const [chunk] of on(process.stdout ?? process, 'data', { close: ['end'] })) {
    text += chunk
    if (text.includes(until)) return text
  }
  throw new Error(`The server did not start:\n${text}`)
}

async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // Behind the command's name, which may hold anything: fields 14 and 15 of proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}
