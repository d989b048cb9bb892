/**
 * The measured gateway: in its own process, with default settings except for its limits on callers, on an embedded
 * Postgres with fsync on; both are discarded afterwards.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type BenchDatabaseOptions, startBenchDatabase } from './bench-database.js'
import { outputOf, start, stop } from './child.js'
import { familyCpuSeconds, familyResidentBytes } from './process-usage.js'
import { type Server, serverOf } from './server.js'
import { signed } from './token.js'
import type { Turns } from './turns.js'

const TURNS = new URL('./turns.js', import.meta.url).href
const MAIN = fileURLToPath(new URL('../server/main.js', import.meta.url))
const SECRET = 'of these benches only, for an hour'
const TOKEN_SECONDS = 3_600
/** Such as `--cpu-prof --cpu-prof-dir=…`. */
const FLAGS = (process.env.BENCH_GATEWAY_FLAGS ?? '').split(' ').filter(flag => flag !== '')

/** All clients of a bench are one principal at one address. */
const WITHOUT_LIMITS = {
  RATE_LIMIT_MAX: '0',
  RATE_LIMIT_ADDRESS_MAX: '0',
  MAX_STREAMS_PER_PRINCIPAL: '100000',
  MAX_STREAMS_PER_WORKSPACE: '100000',
  MAX_STREAMS_PER_ADDRESS: '100000',
}

export interface SubjectOptions extends BenchDatabaseOptions {
  /** Configuration of the gateway in addition to that. */
  readonly env?: Readonly<Record<string, string>>
  /** Processes of the gateway, whose sum is measured. Default 1. */
  readonly workers?: number
  /** Whether `turns` will be called; it costs a timer every millisecond. Default false. */
  readonly turns?: boolean
}

export interface Subject extends Server {
  /** The process id of the gateway; of the parent if it has workers. */
  readonly pid: number
  readonly databaseUrl: string
  readonly editor: string
  /** The environment of a further gateway on the same database. */
  readonly env: Readonly<Record<string, string>>
  /** Ends the gateway like a crash, and starts another one on the same database; the Subject stays valid. */
  restart(): Promise<void>
  /** The longest turns of the gateway's event loop since the last call. */
  turns(): Promise<Turns>
}

export async function startSubject({
  env = {},
  workers = 1,
  turns: watched = false,
  ...databaseOptions
}: SubjectOptions = {}): Promise<Subject> {
  const database = await startBenchDatabase(databaseOptions)
  const editor = tokenOf('demo', 'editor')
  const viewer = tokenOf('demo', 'viewer')
  let gateway: Running | undefined
  const gatewayEnv = { ...env, DATABASE_URL: database.url, DATA_DIR: database.dataDir }
  const run = async () => {
    gateway = await startGateway(gatewayEnv, watched ? [TURNS] : [])
    const server = serverOf({
      ...gateway,
      viewer,
      editor,
      ...(workers > 1 && { cpu: familyCpuSeconds, resident: familyResidentBytes }),
      databaseCpu: database.cpuSeconds,
    })
    return { ...server, pid: gateway.child.pid ?? 0 }
  }
  const close = async () => {
    if (gateway) await stop(gateway.child)
    await database.close()
  }
  try {
    const subject = await run()
    const restart = async () => {
      if (gateway) await stop(gateway.child, 'SIGKILL')
      Object.assign(subject, await run(), { close })
    }
    const turns = async () => {
      gateway?.child.send('turns')
      return (await once(gateway?.child ?? process, 'message'))[0] as Turns
    }
    return Object.assign(subject, {
      databaseUrl: database.url,
      editor,
      env: gatewayEnv,
      restart,
      turns,
      close,
    })
  } catch (error) {
    await close()
    throw error
  }
}

export interface Running {
  readonly child: ChildProcess
  readonly url: string
}

/** @param modules URLs of modules that it loads first, and that answer over IPC. */
export async function startGateway(
  env: Readonly<Record<string, string>>,
  modules: readonly string[] = [],
): Promise<Running> {
  const imports = modules.flatMap(module => ['--import', module])
  const child = start(process.execPath, [...FLAGS, ...imports, MAIN], {
    stdio: ['ignore', 'pipe', 'inherit', ...(modules.length > 0 ? ['ipc' as const] : [])],
    env: { ...process.env, ...WITHOUT_LIMITS, PORT: '0', JWT_SECRET: SECRET, LOG_LEVEL: 'warn', ...env },
  })
  const text = await outputOf(child, 'Ctrl-C')
  return { child, url: /http:\/\/[\w.:]+/.exec(text)?.[0] ?? '' }
}

export function tokenOf(workspace: string, role: 'viewer' | 'editor' | 'admin'): string {
  const exp = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS
  return signed({ sub: `bench-${role}`, workspace, role, iat: exp - TOKEN_SECONDS, exp }, SECRET)
}
