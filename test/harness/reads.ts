/** Counts the statements of a pool that read on, to see whether a reader that takes nothing stops them. */
import type { Database } from '../../src/database/pool.js'
import { until } from './until.js'

/** Longer than the next read takes to begin, if one does. */
const QUIET_MS = 250

export interface Reads {
  readonly count: number
  /** Resolves when no further read begins. */
  stopped(): Promise<void>
}

/** @param isRead whether the first argument of `query` is such a read. */
export function countReads(database: Database, isRead: (query: unknown) => boolean): Reads {
  let count = 0
  const watched = new WeakSet<object>()
  database.on('acquire', client => {
    if (watched.has(client)) return
    watched.add(client)
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    Object.assign(client, {
      query: (...args: unknown[]) => {
        if (isRead(args[0])) count += 1
        return query(...args)
      },
    })
  })
  return {
    get count() {
      return count
    },
    async stopped() {
      let last = -1
      await until('it reads no more', async () => {
        const still = count === last
        last = count
        await new Promise(resolve => setTimeout(resolve, QUIET_MS))
        return still
      })
    },
  }
}
