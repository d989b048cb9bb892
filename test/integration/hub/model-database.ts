/**
 * The connections of one gateway of the model to the log. They answer at once, or hold their statements until a step answers them: with
 * the rows of now or of the moment of the question, with a part of a page, or with an error. A COMMIT may be answered with an error
 * before or after it has happened.
 */
import type { Database } from '../../../src/database/pool.js'
import type { Committed } from '../../../src/log/committed.js'
import type { ModelLog } from './model-log.js'

export const ANSWERS = ['now', 'early', 'short', 'failed'] as const
export type Answer = (typeof ANSWERS)[number]

interface Statement {
  readonly name: string
  readonly values: never
}

interface Held {
  /** For people. */
  readonly name: string
  answer(how: Answer): void
}

/** The events of a statement that appends, and the number of the request of each. */
interface Appended {
  readonly of: readonly number[]
  readonly types: readonly string[]
  readonly data: readonly string[]
}

const APPENDS: Readonly<Record<string, (values: never) => Appended>> = {
  'sluice-append-requests': (values: unknown[]) => {
    const [of, types, data] = values.slice(5) as [number[], string[], string[]]
    return { of, types, data }
  },
  'sluice-append-request': ([, , , type, data]: [string, string, string, string, string]) => ({
    of: [1],
    types: [type],
    data: [data],
  }),
}

/** Statements whose pages may be cut by their bytes at any event. */
const PAGES = ['sluice-read-page', 'sluice-read-tails']

export class ModelDatabase {
  readonly #log: ModelLog
  readonly #onAppend: (committed: Committed) => void
  #holds = false
  readonly held: Held[] = []
  /** Leads to a server that has not seen the last loss. */
  isBehind = false
  /** How many statements were answered with an error. */
  failures = 0

  constructor(log: ModelLog, onAppend: (committed: Committed) => void) {
    this.#log = log
    this.#onAppend = onAppend
  }

  /** For the tailer and the publisher; `reading`: for pages, which may come from an old server. */
  database(reading: boolean): Database {
    const query = (statement: Statement) => this.#query(statement, reading)
    const connect = async () => ({ query, release: () => {} })
    return { query, connect, options: { max: 1 } } as unknown as Database
  }

  hold(): void {
    this.#holds = true
  }

  /** Answers everything that is held, and from now on everything at once. */
  release(): void {
    this.#holds = false
    for (const held of this.held.splice(0)) held.answer('now')
  }

  /** Answers one of the statements that are held. */
  answer(index: number, how: Answer): void {
    const [held] = this.held.splice(index % Math.max(1, this.held.length), 1)
    held?.answer(how)
  }

  #query({ name, values }: Statement, reading: boolean): Promise<{ rows: object[] }> {
    const append = APPENDS[name]
    if (append) return this.#commit(name, append(values))
    const run = () => this.#log.answer(name, values, reading && this.isBehind)
    if (!this.#holds) return Promise.resolve().then(() => ({ rows: run() }))
    const early = run()
    return this.#hold(name, (how, resolve, reject) => {
      if (how === 'failed') reject(connectionLost())
      else if (how === 'early') resolve(early)
      else resolve(how === 'short' && PAGES.includes(name) ? cut(run()) : run())
    })
  }

  /** `early`: the predecessor is not known; `short`: it has happened, but the answer is lost; `failed`: it has not happened. */
  #commit(name: string, appended: Appended): Promise<{ rows: object[] }> {
    if (!this.#holds) return Promise.resolve().then(() => ({ rows: this.#append(appended, true) }))
    return this.#hold(name, (how, resolve, reject) => {
      const rows = how === 'failed' ? [] : this.#append(appended, how !== 'early')
      if (how === 'failed' || how === 'short') reject(connectionLost())
      else resolve(rows)
    })
  }

  #hold(
    name: string,
    answer: (how: Answer, resolve: (rows: object[]) => void, reject: (error: Error) => void) => void,
  ): Promise<{ rows: object[] }> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        this.failures += 1
        reject(error)
      }
      this.held.push({ name, answer: how => answer(how, rows => resolve({ rows }), fail) })
    })
  }

  /** One row for each event; the data is stored as it is. */
  #append({ of, types, data }: Appended, knowsPrevious: boolean): object[] {
    const committed = this.#log.change(0, types, data)
    this.#onAppend(committed)
    return committed.events.map(({ position, eventId, at }, index) => ({
      request: of[index],
      refused: null,
      replayed: false,
      streamId: committed.streamId,
      position,
      eventId,
      at,
      previous: index === 0 && knowsPrevious ? committed.previous : null,
    }))
  }
}

/** The first events of a page: its bytes were enough. */
function cut(rows: object[]): object[] {
  return rows.slice(0, Math.max(1, Math.floor(rows.length / 2)))
}

function connectionLost(): Error {
  return Object.assign(new Error('The connection was lost.'), { code: '08006' })
}
