/** Writers of numbered events, from SQL and over HTTP, that go on whatever fails. */
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from '../../../clients/typescript/src/client.js'
import type { Database } from '../../../src/database/pool.js'
import { token } from '../../harness/tokens.js'
import type { Running } from './go/programs.js'

export const TYPE = 'order.placed'
const EVERY_MS = 20

export interface Writer {
  readonly name: string
  /** The numbers whose event is known to be stored. */
  readonly stored: readonly number[]
  /** Whether it repeats a publication whose outcome it does not know, so that every number is stored. */
  readonly repeats: boolean
  /** Resolves when its last event is stored. */
  stop(): Promise<void>
}

/** A publication whose answer is lost may have been stored or not: it goes on with the next number. */
export function writeInSql(name: string, pool: Database): Writer {
  return repeat(name, false, async n => {
    await pool.query(`select sluice.publish('acme', 'feed', $1, $2)`, [
      TYPE,
      JSON.stringify({ writer: name, n }),
    ])
  })
}

export function writeOverHttp(name: string, url: string): Writer {
  const client = createClient({
    url,
    credentials: token({ role: 'editor' }),
    attempts: 10_000,
    max: 1_000,
    timeout: 5_000,
  })
  return repeat(name, true, async n => {
    await client.publish({ type: TYPE, data: { writer: name, n } })
  })
}

/** Through a program that publishes the lines of its standard input, and prints one for each. */
export function writeThrough(name: string, running: Running): Writer {
  let n = 0
  const feeding = setInterval(() => {
    n += 1
    running.write(JSON.stringify({ writer: name, n }))
  }, 5 * EVERY_MS)
  return {
    name,
    repeats: true,
    get stored() {
      return Array.from({ length: running.lines().length }, (_, index) => index + 1)
    },
    async stop() {
      clearInterval(feeding)
      const code = await running.finish()
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${running.log()}`)
    },
  }
}

function repeat(name: string, repeats: boolean, publish: (n: number) => Promise<void>): Writer {
  const stored: number[] = []
  let isStopped = false
  const writing = (async () => {
    for (let n = 1; !isStopped; n += 1) {
      const isStored = await publish(n).then(
        () => true,
        error => {
          if (repeats) throw error
          return false
        },
      )
      if (isStored) stored.push(n)
      await pause(EVERY_MS)
    }
  })()
  // `stop` reports it.
  writing.catch(() => undefined)
  return {
    name,
    repeats,
    stored,
    async stop() {
      isStopped = true
      await writing
    },
  }
}
