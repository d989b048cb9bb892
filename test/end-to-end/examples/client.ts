/** The example clients as people run them: each in a process of its own, with nothing but its settings. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const run = promisify(execFile)
const PATIENCE_MS = 30_000
const examples = join(packageRoot, 'examples')

export interface Client {
  readonly name: string
  /** How it is started, but for its arguments. */
  readonly program: readonly [string, ...string[]]
}

export const nodeClient: Client = {
  name: 'Node',
  program: [process.execPath, join(examples, 'javascript/follow.mjs')],
}

/** For `skip`: false where Python can make an environment of its own, else the reason. */
export function withoutPython(): string | false {
  const { status } = spawnSync('python3', ['-c', 'import ensurepip, venv'])
  return status !== 0 && 'Python is not installed, or without venv (apt-get install python3-venv)'
}

export function withoutGo(): string | false {
  return spawnSync('go', ['version']).status !== 0 && 'Go is not installed (apt-get install golang-go)'
}

/** Both Python clients, in an environment made in `folder` with exactly the required packages. */
export async function installPython(folder: string): Promise<Client[]> {
  const python = join(folder, 'venv/bin/python')
  await run('python3', ['-m', 'venv', join(folder, 'venv')])
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet']
  await run(python, [...pip, '--requirement', join(examples, 'python/requirements.txt')])
  return ['requests', 'aiohttp'].map(library => ({
    name: `Python with ${library}`,
    program: [python, join(examples, `python/follow_${library}.py`)],
  }))
}

/** @throws when the compiler, the vet or the formatter has anything to say. */
export async function buildGo(folder: string): Promise<Client> {
  const program = join(folder, 'follow')
  const cwd = join(examples, 'go')
  // It needs no other toolchain than the one that is there, and no module of others.
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOPROXY: 'off' }
  await run('go', ['vet', './...'], { cwd, env })
  const { stdout: unformatted } = await run('gofmt', ['-d', '.'], { cwd })
  if (unformatted !== '') throw new Error(unformatted)
  await run('go', ['build', '-o', program, '.'], { cwd, env })
  return { name: 'Go', program: [program] }
}

export interface Following {
  /** The command's lines so far, of one output; without what the client itself says. */
  lines(output: 'stdout' | 'stderr'): string[]
  /** Resolves with the text that the pattern's group has found in what the client says. */
  says(pattern: RegExp): Promise<string>
  /** Resolves with its exit status. */
  ended(): Promise<number | null>
}

/** @param url of the gateway; the caller is an editor unless `env` says otherwise. */
export function startClient(
  t: Test,
  { name, program: [file, ...before] }: Client,
  url: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Following {
  const { PATH = '', HOME = '' } = process.env
  const settings = { SLUICE_URL: url, SLUICE_PROJECT: 'site', SLUICE_TOKEN: token({ role: 'editor' }) }
  const child = spawn(file, [...before, ...args], {
    env: { PATH, HOME, ...settings, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // `close`, not `exit`: what it wrote last has arrived by then.
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const texts = { stdout: collect(child, 'stdout'), stderr: collect(child, 'stderr') }
  const told = () => `${name} wrote:\n${texts.stdout()}${texts.stderr()}`
  return {
    lines: output =>
      texts[output]()
        .split('\n')
        .slice(0, -1)
        .filter(line => !line.startsWith('follow: ')),
    async says(pattern) {
      await until(`${pattern} in what ${name} says`, () => pattern.test(texts.stderr()), PATIENCE_MS)
      return pattern.exec(texts.stderr())?.[1] ?? ''
    },
    async ended() {
      const over = () => child.exitCode !== null || child.signalCode !== null
      await until(`the end of ${name}`, over, PATIENCE_MS).catch(error => {
        throw new Error(`${error.message} ${told()}`)
      })
      await closed
      return child.exitCode
    },
  }
}

function collect(child: ChildProcess, output: 'stdout' | 'stderr'): () => string {
  let text = ''
  child[output]?.setEncoding('utf8').on('data', more => (text += more))
  return () => text
}
