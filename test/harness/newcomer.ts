/** A new user at a terminal: a gateway as `npm start` starts it, a shell beside it, and programs to try. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { patient } from './patience.js'
import { startProcess } from './process.js'
import { temporaryFolder } from './server.js'
import { until } from './until.js'

const run = promisify(execFile)
/** Where this was compiled to: dist/, or another folder. */
const compiled = fileURLToPath(new URL('../..', import.meta.url))
/** `npm run sql` compiles first, which must not happen while tests run. */
export const NPM_RUN_SQL = `'${process.execPath}' '${join(compiled, 'scripts/sql.js')}'`
const COMMAND_DEADLINE_MS = 60_000

export interface NewcomersGateway {
  readonly url: string
  readonly viewerToken: string
  readonly editorToken: string
  readonly adminToken: string
  /** Holds `data/`, as a checkout does. */
  readonly folder: string
}

/** As in a fresh checkout, but for the port and the place of `data/`. The tokens are those of the banner. */
export async function startNewcomersGateway(
  t: Test,
  env: Readonly<Record<string, string>> = {},
): Promise<NewcomersGateway> {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const gateway = await startProcess(t, { env: { DATA_DIR: join(folder, 'data'), JWT_SECRET: '', ...env } })
  const [, viewerToken = '', editorToken = ''] = await gateway.until(
    /^ {2}curl -N .*Bearer ([^']+)'[\s\S]*^ {2}curl .*Bearer ([^']+)'/m,
  )
  const [, adminToken = ''] = await gateway.until(/^ {2}ADMIN_TOKEN=(\S+)$/m)
  // Before the folder is removed: the embedded Postgres is in it.
  t.teardown(() => gateway.stop())
  return { url: gateway.url, viewerToken, editorToken, adminToken, folder }
}

export interface Shell {
  /** Runs a block of commands; one with `curl -N` stays open, in place of the one before. */
  type(commands: string): Promise<void>
  /** The output of the last block. */
  output(): string
  /** Resolves when the open stream has shown this, after everything that was matched before. */
  seesInStream(shown: string): Promise<void>
}

export function openShell(t: Test, { url, viewerToken, editorToken, folder }: NewcomersGateway): Shell {
  const options = {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      DATA_DIR: join(folder, 'data'),
      VIEWER_TOKEN: viewerToken,
      EDITOR_TOKEN: editorToken,
    },
  }
  let output = ''
  let stream: { text(): string; stop(): Promise<void> } | undefined
  let seen = 0

  const translated = (commands: string) =>
    commands.replaceAll('http://127.0.0.1:8080', url).replaceAll('npm run sql --', NPM_RUN_SQL)

  return {
    async type(commands) {
      // An ellipsis stands for text that each user fills in.
      if (commands.includes('…')) return
      const script = translated(commands)
      if (script.includes('curl -N')) {
        await stream?.stop()
        const opened = openStream(t, script, options)
        stream = opened
        seen = 0
        await until('the stream opens', () => opened.text() !== '')
      } else {
        const { stdout } = await run('sh', ['-euc', script], {
          ...options,
          timeout: patient(COMMAND_DEADLINE_MS),
        })
        output = stdout
      }
    },
    output: () => output,
    async seesInStream(shown) {
      const wanted = masked(shown)
      const place = () => masked(stream?.text() ?? '').indexOf(wanted, seen)
      await until(`the stream shows ${wanted}`, () => place() >= 0)
      seen = place() + wanted.length
    },
  }
}

/** What differs from one run to the next: checks, UUIDs, times, the delay of a reconnect. */
export function masked(text: string): string {
  return text
    .replace(/\b(\d+)\.[a-z2-7]{6}\b/g, '$1.check')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'uuid')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time')
    .replace(/^retry: \d+$/gm, 'retry: ms')
    .trimEnd()
}

export interface Script {
  /** Resolves when it has written this. */
  prints(pattern: RegExp): Promise<void>
}

/** A program of the README, run in the package, whose dependencies it uses. */
export function startScript(t: Test, source: string, env: Readonly<Record<string, string>> = {}): Script {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: packageRoot,
    env: { PATH: process.env.PATH, ...env },
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', chunk => (text += chunk))
  child.stderr.setEncoding('utf8').on('data', chunk => (text += chunk))
  return { prints: pattern => until(`the program prints ${pattern}`, () => pattern.test(text)) }
}

function openStream(t: Test, script: string, options: { cwd: string; env: NodeJS.ProcessEnv }) {
  const child = spawn('sh', ['-euc', `exec ${script}`], options)
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(stop)
  let text = ''
  child.stdout.setEncoding('utf8').on('data', chunk => (text += chunk))
  return { text: () => text, stop }
}
