/**
 * The terminals of a reader who types the commands of a page: a shell each, which stays open from block to block. A fence
 * names its terminal behind `sh`, as in `sh gateway`; one without a name belongs to the first terminal. Commands of the
 * first terminal run to their end; the others stay, and show what a later `text` fence of their name says.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import type { Fence } from './document.js'
import { masked } from './newcomer.js'
import { until } from './until.js'

const COMMAND_DEADLINE_MS = 60_000
const FIRST = ''

/** `npm start` compiles first, which must not happen while tests run. */
const NPM_START = `exec '${process.execPath}' '${fileURLToPath(new URL('../../server/main.js', import.meta.url))}'`

export interface TerminalOptions {
  /** The folder in which all of them stand. Default: the root of the package. */
  readonly folder?: string
  /** Their whole environment, besides PATH. */
  readonly env?: Readonly<Record<string, string>>
  /** What this machine has in another place than the page, such as ports. Each as [text of the page, text here]. */
  readonly instead?: readonly (readonly [string, string])[]
  /** Where the statements of `sql` fences run, one fence after the other, as a reader would paste them into psql. */
  readonly databaseUrl?: string
}

export interface Terminals {
  /**
   * Types the commands of an `sh` fence, runs the statements of an `sql` fence, finds the text of a `text` fence, writes a
   * fence with a file's name (`js read.mjs`) into that file. Any other fence is a mistake.
   */
  walk(fence: Fence): Promise<void>
  /** Everything that a terminal has shown. */
  shown(name?: string): string
  /** Ends a terminal and the programs in it, as by `kill -9`. The next block of its name opens another one. */
  kill(name: string): Promise<void>
}

interface Terminal {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  text: string
  /** How far later `text` fences have been found. */
  seen: number
}

export function openTerminals(t: Test, options: TerminalOptions = {}): Terminals {
  const { folder = packageRoot, env = {}, databaseUrl } = options
  const instead = [...(options.instead ?? []), ['npm start', NPM_START] as const]
  const here = (text: string) => instead.reduce((said, [page, meant]) => said.replaceAll(page, meant), text)
  const open = new Map<string, Terminal>()
  const past = new Map<string, string>()
  let block = 0

  function terminal(name: string): Terminal {
    const known = open.get(name)
    if (known) return known
    // A group of its own, so that the programs in it end with it.
    const child = spawn('bash', ['-eu'], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...env },
      detached: true,
      stdio: 'pipe',
    })
    const opened = { child, ended: once(child, 'exit'), text: past.get(name) ?? '', seen: 0 }
    opened.seen = opened.text.length
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => (opened.text += text))
    }
    // A shell that has failed takes no more commands; the wait for its mark says what it has shown.
    child.stdin.on('error', () => undefined)
    open.set(name, opened)
    return opened
  }

  async function kill(name: string): Promise<void> {
    const known = open.get(name)
    if (!known) return
    open.delete(name)
    endGroup(known.child)
    await known.ended
    past.set(name, known.text)
  }

  t.teardown(() => Promise.all([...open.keys()].map(kill)))

  async function type(name: string, commands: string): Promise<void> {
    const { child, ended } = terminal(name)
    const script = here(commands)
    if (name !== FIRST) {
      child.stdin?.write(script)
      return
    }
    const first = terminal(FIRST)
    const mark = `--- block ${++block} has ended`
    const start = first.text.length
    child.stdin?.write(`${script}\necho '${mark}'\n`)
    let over = false
    void ended.then(() => (over = true))
    await until('the commands end', () => over || first.text.includes(mark), COMMAND_DEADLINE_MS).catch(
      cause => {
        throw new Error(`${script}\ndoes not end; it shows:\n${first.text.slice(start)}`, { cause })
      },
    )
    if (!first.text.includes(mark)) throw new Error(`${script}\nended with:\n${first.text.slice(start)}`)
    const output = first.text.slice(start)
    first.text = `${first.text.slice(0, start)}${output.replace(`${mark}\n`, '')}`
    first.seen = start
  }

  async function find(name: string, wanted: string): Promise<void> {
    const place = () => masked(terminal(name).text.slice(terminal(name).seen)).indexOf(masked(here(wanted)))
    await until(`the terminal "${name}" shows ${wanted}`, () => place() >= 0).catch(cause => {
      throw new Error(`It shows:\n${terminal(name).text.slice(-4_000)}`, { cause })
    })
  }

  return {
    async walk({ info, text }) {
      const [, kind = '', name = FIRST] = /^(\w+)(?: (\S+))?$/.exec(info) ?? []
      if (kind === 'sh') await type(name, text)
      else if (kind === 'text') await find(name, text)
      else if (kind === 'sql' && databaseUrl !== undefined) await type(FIRST, psql(databaseUrl, text))
      else if (name !== FIRST) writeFileSync(join(folder, name), here(text))
      else throw new Error(`Nothing is to be done with a fence of the kind "${info}":\n${text}`)
    },
    shown: (name = FIRST) => open.get(name)?.text ?? past.get(name) ?? '',
    kill,
  }
}

function psql(url: string, statements: string): string {
  return `psql --quiet --output=/dev/null --set=ON_ERROR_STOP=1 '${url}' <<'END OF THE FENCE'\n${statements}\nEND OF THE FENCE\n`
}

function endGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  process.kill(-pid, 'SIGKILL')
}
