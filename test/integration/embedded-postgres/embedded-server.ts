/** The embedded Postgres under test: started here or in a process of its own, watched and killed from outside. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import type { Test } from 'tap'
import {
  type Embedded,
  type EmbeddedOptions,
  startEmbedded,
} from '../../../src/embedded-postgres/embedded-postgres.js'
import { execute, temporaryFolder } from '../../harness/server.js'
import { until } from '../../harness/until.js'

const DEADLINE_MS = 20_000

export async function folder(t: Test): Promise<string> {
  const path = await temporaryFolder()
  // The server of a killed process may still write while it shuts down.
  t.teardown(() => rm(path, { recursive: true, force: true, maxRetries: 20 }))
  return path
}

export async function start(t: Test, options: EmbeddedOptions): Promise<Embedded> {
  const server = await startEmbedded({ pgBin: process.env.PG_BIN, settings: { fsync: 'off' }, ...options })
  t.teardown(() => server.close())
  return server
}

export async function startInChild(t: Test, dataDir: string) {
  const script = fileURLToPath(new URL('./embedded-parent.js', import.meta.url))
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [url] = await once(createInterface({ input: child.stdout }), 'line')
  return { child, url: String(url) }
}

export async function serverPid(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10)
}

export function socketsOf(url: string): string {
  return decodeURIComponent(url.replace(/^.*host=/, ''))
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export async function untilAnswered(url: string, sql: string) {
  let answer: pg.QueryResult | undefined
  const ask = () =>
    execute(url, sql)
      .then(result => (answer = result))
      .catch(() => undefined)
  await until(`an answer to ${sql}`, async () => (await ask()) !== undefined, DEADLINE_MS)
  if (answer === undefined) throw new Error('No answer.')
  return answer
}
