/** Runs the program `sluice` with a command to its end. test/harness/process.ts starts programs that go on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../../src/process/package-root.js'

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))

export interface Outcome {
  readonly code: number | null
  /** Standard output. */
  readonly out: string
  /** Standard error. */
  readonly told: string
}

/** @param env the whole environment, besides PATH. @param input of its standard input; default: none. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: packageRoot,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [out, told] = ['', '']
  child.stdout.setEncoding('utf8').on('data', text => (out += text))
  child.stderr.setEncoding('utf8').on('data', text => (told += text))
  // A command that refuses its input closes it early.
  child.stdin.on('error', () => {}).end(input)
  const [code] = await once(child, 'close')
  return { code, out, told }
}
