/**
 * The program that puts a client under test: one process for all cases, which speaks JSON lines on its standard input and output.
 * README.md is its protocol. When it ends or writes something else, every open case fails with the reason, and the next case starts
 * a new process, up to a limit.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterTicks, type Patience } from './deadline.js'

/** An observation of the client, as the adapter writes it. */
export interface Observation {
  readonly saw: string
  readonly [member: string]: unknown
}

export interface Listener {
  observed(observation: Observation): void
  /** Nothing further will be observed. */
  failed(reason: string): void
}

/** The first line of an adapter, about itself. */
export interface Introduction {
  readonly name: string
  /** Abilities of the contract that its client does not have. */
  readonly without: readonly string[]
}

const MOST_STARTS = 5
/** To start and introduce itself, and to end. */
const PATIENCE_MS = 10_000
/** Characters of standard error that are kept, for the reason of a failure. */
const LAST_WORDS = 2_000

export class Adapter {
  #process: ChildProcess | undefined
  #starts = 0
  #lastWords = ''
  readonly #deaths: string[] = []
  readonly #open = new Map<string, Listener>()
  /** The cases that the present process knows. */
  readonly #followed = new Set<string>()
  #introduced: ((introduction: Introduction) => void) | undefined
  #notIntroduced: ((error: Error) => void) | undefined

  constructor(
    private readonly command: readonly [string, ...string[]],
    private readonly patience: Patience,
  ) {}

  /** Starts the process. @throws {Error} if it does not introduce itself in time. */
  async start(): Promise<Introduction> {
    const introduction = new Promise<Introduction>((resolve, reject) => {
      this.#introduced = resolve
      this.#notIntroduced = reject
    })
    this.#spawn()
    const late = () => this.#notIntroduced?.(new Error('The adapter does not introduce itself.'))
    const inTime = afterTicks(PATIENCE_MS, this.patience, late)
    try {
      return await introduction
    } catch (error) {
      await this.close()
      throw error
    } finally {
      inTime()
    }
  }

  follow(id: string, listener: Listener, command: Readonly<Record<string, unknown>>): void {
    if (!this.#process && this.#starts >= MOST_STARTS) {
      listener.failed(`not run: the adapter has ended ${MOST_STARTS} times`)
      return
    }
    this.#open.set(id, listener)
    if (!this.#process) this.#spawn()
    this.#followed.add(id)
    this.tell(id, 'follow', command)
  }

  /** A case that has failed with its process is unknown to the next one, which gets none of its commands. */
  tell(id: string, command: string, more: Readonly<Record<string, unknown>> = {}): void {
    if (!this.#followed.has(id)) return
    this.#process?.stdin?.write(`${JSON.stringify({ command, case: id, ...more })}\n`)
  }

  forget(id: string): void {
    this.#open.delete(id)
  }

  /**
   * Closes its standard input, which ends it, and kills it if it stays.
   * @returns each way in which one of its processes ended but for the status 0, with its last words: Go's race detector, for one,
   * lets a program run and then ends it with the status 66.
   */
  async close(): Promise<readonly string[]> {
    const child = this.#process
    if (child) {
      this.#starts = MOST_STARTS
      const inTime = afterTicks(PATIENCE_MS, this.patience, () => child.kill('SIGKILL'))
      await new Promise(resolve => {
        child.once('close', resolve)
        child.stdin?.end()
      })
      inTime()
    }
    return this.#deaths
  }

  #spawn(): void {
    this.#starts += 1
    this.#followed.clear()
    this.#lastWords = ''
    const [program, ...args] = this.command
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process = child
    child.stdin.on('error', () => {})
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS)
    })
    createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY }).on('line', line =>
      this.#read(line),
    )
    child.once('error', error => this.#ended(child, `cannot be started: ${error.message}`))
    child.once('close', (code, signal) =>
      this.#ended(child, `has ended with ${signal ?? `status ${code}`}`, code === 0),
    )
  }

  #read(line: string): void {
    const { case: id, name, without, saw, ...more } = parsed(line)
    if (typeof saw === 'string') this.#open.get(String(id))?.observed({ saw, ...more })
    else if (typeof name === 'string') {
      this.#introduced?.({ name, without: Array.isArray(without) ? without.map(String) : [] })
    } else this.#failAll(`wrote a line that is no observation: ${line.slice(0, 200)}`)
  }

  #ended(child: ChildProcess, how: string, isWell = false): void {
    if (this.#process !== child) return
    this.#process = undefined
    const words = this.#lastWords.trim()
    const reason = `${how}${words && `. It wrote:\n${words}`}`
    if (!isWell) this.#deaths.push(reason)
    this.#failAll(reason)
    this.#notIntroduced?.(new Error(`The adapter ${reason}`))
  }

  #failAll(reason: string): void {
    for (const listener of this.#open.values()) listener.failed(`the adapter ${reason}`)
    this.#open.clear()
  }
}

/** The members of the object that the line is; of any other line none. */
function parsed(line: string): Record<string, unknown> {
  try {
    return { ...JSON.parse(line) }
  } catch {
    return {}
  }
}
