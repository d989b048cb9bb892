/**
 * A program that follows a gateway while a test takes it away.
 *
 *     node follower.js file URL LOGIN_URL FILE
 *     node follower.js transaction URL LOGIN_URL DATABASE_URL
 *     node follower.js consumer URL LOGIN_URL NAME
 *
 * It gets its tokens at LOGIN_URL, and keeps its cursor in a file, or in the same transaction as the id of each event (tables `kept` and
 * `kept_cursor`), or lets the gateway keep it.
 * It writes a JSON line for each event, notice and state. SILENCE_MS is the time after which a silent connection is dead; WORK_MS is how long
 * every tenth event takes, which it announces.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import {
  createClient,
  type FeedEvent,
  type FeedOptions,
  type TransactionStore,
} from '../../../../clients/typescript/src/client.js'
import { Consumers } from '../../../../clients/typescript/src/consumers/consumers.js'
import { RefusedError } from '../../../../clients/typescript/src/errors.js'
import { fileCursor } from '../../../../clients/typescript/src/file-cursor.js'
import { createPool, type Database, inTransaction } from '../../../../src/database/pool.js'

const AGAIN_MS = 500
const WORK_MS = Number(process.env.WORK_MS ?? 0)
const WORK_EVERY = 10
const OWN = { max: 2, name: 'follower', settings: { search_path: 'public' }, onError: () => undefined }
const [mode, url = '', login = '', place = ''] = process.argv.slice(2)

const client = createClient({
  url,
  async credentials() {
    const response = await fetch(login)
    if (!response.ok) throw new Error(`The login answered ${response.status}.`)
    return await response.text()
  },
  renewBefore: 2_000,
})
const options: FeedOptions = {
  from: 'beginning',
  silence: Number(process.env.SILENCE_MS ?? 65_000),
  onNotice: ({ type }) => say(type),
  onState: ({ name }) => say('state', { name }),
}
const handle = async ({ id, type }: FeedEvent) => {
  if (WORK_MS > 0 && Number.parseInt(id, 10) % WORK_EVERY === 0) {
    say('work', { id })
    await pause(WORK_MS)
  }
  say('event', { id, type })
}

if (mode === 'consumer') await new Consumers(client).follow(place, options).each(handle)
else if (mode === 'file') await client.feed({ ...options, cursor: fileCursor(place) }).each(handle)
else await keepAll(createPool(place, OWN))

function say(saw: string, members: object = {}): void {
  process.stdout.write(`${JSON.stringify({ saw, ...members })}\n`)
}

/** An error of its own database ends a feed; the next one begins after the last commit. */
async function keepAll(pool: Database): Promise<void> {
  for (;;) {
    try {
      const keep = async (event: FeedEvent, transaction: PoolClient) => {
        await transaction.query('insert into kept (id) values ($1)', [event.id])
        await handle(event)
      }
      await client.feed(options).each(keep, storeIn(pool))
    } catch (error) {
      if (error instanceof RefusedError) throw error
      say('failed', { error: String(error) })
      await pause(AGAIN_MS)
    }
  }
}

function storeIn(pool: Database): TransactionStore<PoolClient> {
  return {
    async load() {
      const { rows } = await pool.query<{ id: string }>('select id from kept_cursor')
      return rows[0]?.id
    },
    async transaction(id, work) {
      await inTransaction(pool, async connection => {
        await work(connection)
        await connection.query(
          'insert into kept_cursor values (1, $1) on conflict (one) do update set id = excluded.id',
          [id],
        )
      })
    },
  }
}
