/**
 * What is measured: a gateway in a process of its own, configured as it comes, on an embedded Postgres with fsync
 * on, both thrown away afterwards.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '../src/database/embedded.js'

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))
/** Clock ticks a second in /proc; fixed on Linux. */
const TICKS = 100

export interface Subject {
  readonly url: string
  readonly databaseUrl: string
  readonly viewer: string
  readonly editor: string
  /** CPU seconds that the gateway's process has used. */
  cpuSeconds(): Promise<number>
  close(): Promise<void>
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
  const text = await bannerOf(gateway)
  const tokens = [...text.matchAll(/Bearer ([\w.-]+)/g)].map(([, token]) => token ?? '')
  return {
    url: /http:\/\/[\w.:]+/.exec(text)?.[0] ?? '',
    databaseUrl: database.url,
    viewer: tokens[0] ?? '',
    editor: tokens[1] ?? '',
    cpuSeconds: () => cpuSeconds(gateway.pid ?? 0),
    async close() {
      gateway.kill('SIGTERM')
      if (gateway.exitCode === null) await once(gateway, 'exit')
      await database.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function bannerOf(gateway: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of gateway.stdout ?? []) {
    text += chunk
    if (text.includes('Ctrl-C')) break
  }
  if (!text.includes('Bearer')) throw new Error(`The gateway did not start:\n${text}`)
  return text
}

async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // Behind the command's name, which may hold anything: fields 14 and 15 of proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}
