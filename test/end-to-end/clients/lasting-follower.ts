/** A follower of a stream as a program that is killed and started again, and what it received in each of its lives. */
import type { Test } from 'tap'
import { until } from '../../harness/until.js'
import { type Running, start } from './go/programs.js'

export interface FollowerProgram {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
  readonly env: Readonly<Record<string, string>>
  /** The id of the event in a line of its output; undefined in any other line. */
  readonly idIn?: (line: string) => string | undefined
  /** Reads what it has kept, each event once, in order. Without it, it prints each event at least once. */
  readonly kept?: () => Promise<readonly string[]>
  /** Notices a dead connection within seconds. */
  readonly isWatchful: boolean
  /** Its credentials last a few seconds. */
  readonly isRenewing: boolean
  /** It writes a line with `"work"` while it handles some of the events. */
  readonly announcesWork: boolean
  /** The gateway keeps its cursor under this name: after a failure it gets again what it has not acknowledged. */
  readonly consumer?: string
}

export class LastingFollower {
  kills = 0
  readonly #lives: Life[] = []

  constructor(
    private readonly t: Test,
    readonly program: FollowerProgram,
  ) {}

  get name(): string {
    return this.program.name
  }

  start(): void {
    const { command, env, idIn } = this.program
    const [program, ...args] = command
    this.#lives.push(new Life(start(this.t, program, env, args), idIn))
  }

  /** SIGKILL, while it handles an event if it announces that; resolves when it has ended. */
  async kill(): Promise<void> {
    const running = this.#lives.at(-1)?.running
    const works = () => running?.ended() === true || running?.lines().at(-1)?.includes('"work"') === true
    if (this.program.announcesWork) await until(`${this.name} handles an event`, works)
    this.kills += 1
    await running?.kill()
  }

  /** The ids that each of its lives has printed. */
  printed(): readonly (readonly string[])[] {
    return this.#lives.map(life => life.ids())
  }

  /** Whether it has this event, or one that is newer: what it lacks before that shows in the end. */
  async hasReached(id: string): Promise<boolean> {
    const { idIn, kept } = this.program
    const life = this.#lives.at(-1)
    if (life?.running.ended()) throw new Error(`${this.name} has ended: ${life.running.log()}`)
    const last = idIn ? life?.ids().at(-1) : (await kept?.())?.at(-1)
    return last !== undefined && Number.parseInt(last, 10) >= Number.parseInt(id, 10)
  }

  /** How often it has written this word. */
  count(word: string): number {
    const texts = this.#lives.flatMap(({ running }) => [...running.lines(), running.log()])
    return texts.reduce((sum, text) => sum + text.split(word).length - 1, 0)
  }

  log(): string {
    return this.#lives.map(({ running }) => running.log()).join('')
  }
}

class Life {
  readonly #ids: string[] = []
  #read = 0

  constructor(
    readonly running: Running,
    private readonly idIn: FollowerProgram['idIn'],
  ) {}

  ids(): readonly string[] {
    const lines = this.running.lines()
    for (; this.#read < lines.length; this.#read += 1) {
      const id = this.idIn?.(lines[this.#read] ?? '')
      if (id !== undefined) this.#ids.push(id)
    }
    return this.#ids
  }
}

/**
 * Compares what the program of a consumer printed with the log: any number of the last events may come again, none is left out.
 * @returns how many events came again, and the first difference.
 */
export function compareAgain(
  lives: readonly (readonly string[])[],
  log: readonly string[],
): { readonly repeated: number; readonly fault: string | undefined } {
  const places = new Map(log.map((id, index) => [id, index]))
  let repeated = 0
  let next = 0
  for (const id of lives.flat()) {
    const place = places.get(id) ?? Number.POSITIVE_INFINITY
    if (place > next) return { repeated, fault: `${id} instead of ${log[next]} (number ${next})` }
    if (place === next) next += 1
    else repeated += 1
  }
  const fault = next < log.length ? `ends at ${log[next - 1]}: ${log.length - next} are missing` : undefined
  return { repeated, fault }
}

/**
 * Compares what a program printed with the log: in its order, and each life may begin with the last event of the life before.
 * @returns how many events came again, and the first difference.
 */
export function compare(
  lives: readonly (readonly string[])[],
  log: readonly string[],
): { readonly repeated: number; readonly fault: string | undefined } {
  let repeated = 0
  let next = 0
  for (const [n, life] of lives.entries()) {
    for (const [index, id] of life.entries()) {
      if (index === 0 && next > 0 && id === log[next - 1]) repeated += 1
      else if (id === log[next]) next += 1
      else
        return {
          repeated,
          fault: `life ${n}, event ${index}: ${id} instead of ${log[next]} (number ${next})`,
        }
    }
  }
  const fault = next < log.length ? `ends at ${log[next - 1]}: ${log.length - next} are missing` : undefined
  return { repeated, fault }
}
