/** The servers that the gateway is compared with (bench/baselines): they fan out, and know no tokens. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { packageRoot } from '../src/process/package-root.js'
import { startBenchDatabase } from './bench-database.js'
import { outputOf, start } from './child.js'
import { eventsOf, type Server, serverOf } from './server.js'

const FLOOR = join(packageRoot, 'bench', 'baselines', 'floor.c')

/** In Node. */
export async function startBaseline(name: 'bare' | 'fastify-sse' | 'better-sse'): Promise<Server> {
  const child = start(process.execPath, [programOf(name)])
  return serverOf({ child, url: (await outputOf(child, '\n')).trim() })
}

/** In Node, and each event is stored in a Postgres of its own before it is written. */
export async function startStoring(): Promise<Server> {
  const database = await startBenchDatabase()
  try {
    const child = start(process.execPath, [programOf('storing')], {
      env: { ...process.env, DATABASE_URL: database.url },
    })
    const server = serverOf({
      child,
      url: (await outputOf(child, '\n')).trim(),
      databaseCpu: database.cpuSeconds,
    })
    const close = async () => {
      await server.close()
      await database.close()
    }
    return { ...server, close }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** In C, which only calls write; undefined if there is no C compiler. */
export async function startFloor(): Promise<Server | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const program = join(folder, 'floor')
  try {
    await promisify(execFile)('cc', ['-O2', '-o', program, FLOOR])
  } catch (error) {
    await rm(folder, { recursive: true })
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const child = start(program, [])
  const url = (await outputOf(child, '\n')).trim()
  // The program runs; its file may lose its name now.
  await rm(folder, { recursive: true })
  return serverOf({ child, url, bodyOf: framesOf })
}

function programOf(baseline: string): string {
  return fileURLToPath(new URL(`./baselines/${baseline}.js`, import.meta.url))
}

/** The frames themselves, because a program that only writes does not encode. */
function framesOf(first: number, count: number): string {
  return eventsOf(first, count)
    .map(({ type, data }) => `id: ${data.n + 1}.aaaaaa\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
    .join('')
}
