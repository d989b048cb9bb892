/** Another event server that is installed on this machine: a program with a configuration file and a free port. */
import { execFile } from 'node:child_process'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { start } from '../child.js'
import { freePort } from '../free-port.js'
import { PADDING, type Server, serverOf } from '../server.js'

const PATIENCE_MS = 20_000

export interface Peer {
  readonly name: string
  /** Looked for on PATH. */
  readonly program: string
  /** Undefined if something that it needs besides the program is missing. */
  configure(place: Place): Promise<Configured | undefined>
}

export interface Place {
  readonly folder: string
  readonly port: number
}

export interface Configured extends Omit<Parameters<typeof serverOf>[0], 'child' | 'url'> {
  readonly args: readonly string[]
  /** The text of the file that `configurationIn` names. */
  readonly configuration: string
  readonly env?: Readonly<Record<string, string>>
}

/** A name that each program accepts for its own format. */
export function configurationIn(folder: string): string {
  return join(folder, 'configuration.json')
}

/** Undefined if it is not installed. */
export async function startPeer({ program, configure }: Peer): Promise<Server | undefined> {
  if (!(await isOnPath(program))) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const port = await freePort()
  const configured = await configure({ folder, port })
  if (!configured) {
    await remove()
    return undefined
  }
  const { args, configuration, env = {}, ...options } = configured
  await writeFile(configurationIn(folder), configuration)
  const log = await open(join(folder, 'log'), 'a+')
  const child = start(program, args, {
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, ...env },
  })
  const server = serverOf({ child, url: `http://127.0.0.1:${port}`, ...options })
  const close = async () => {
    await server.close()
    await log.close()
    await remove()
  }
  try {
    await serves(server, () => child.exitCode !== null)
  } catch (error) {
    const said = await readFile(join(folder, 'log'), 'utf8')
    await close()
    throw new Error(`${program} did not start:\n${said}`, { cause: error })
  }
  return { ...server, close }
}

/** A publish that nobody follows shows that it serves. */
async function serves(server: Server, ended: () => boolean): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; ; await pause(50)) {
    try {
      return await server.publish(0, 1, PADDING)
    } catch (error) {
      if (ended() || performance.now() > deadline) throw error
    }
  }
}

async function isOnPath(program: string): Promise<boolean> {
  return promisify(execFile)('sh', ['-c', 'command -v "$1"', 'sh', program]).then(
    () => true,
    () => false,
  )
}
