/** A store of durable streams on a database of its own, and what it has handed on. */
import type { Test } from 'tap'
import type { Origin } from '../../../src/audit/audit.js'
import type { Database } from '../../../src/database/pool.js'
import { DurableStreams } from '../../../src/durable-streams/durable-store.js'
import type { DurableAppend } from '../../../src/durable-streams/durable-stream.js'
import type { Committed } from '../../../src/log/committed.js'
import type { StreamId } from '../../../src/log/event.js'
import { createDatabase } from '../../harness/database.js'

export const ADA: Origin = { workspace: 'w', principal: 'ada', address: null, requestId: null }

export interface Fixture {
  readonly pool: Database
  readonly streams: DurableStreams
  readonly committed: Committed[]
  readonly ended: StreamId[]
}

export async function openStore(test: Test): Promise<Fixture> {
  const { pool } = await createDatabase(test)
  return { pool, ...storeOn(test, pool) }
}

/** A further store, as another process has one. */
export function storeOn(test: Test, pool: Database): Omit<Fixture, 'pool'> {
  const committed: Committed[] = []
  const ended: StreamId[] = []
  const streams = new DurableStreams({
    database: pool,
    onCommitted: events => committed.push(...events),
    onEnded: ids => ended.push(...ids),
  })
  test.teardown(() => streams.close())
  return { streams, committed, ended }
}

export function text(content: string, contentType = 'text/plain'): NonNullable<DurableAppend['body']> {
  return { contentType, bytes: Buffer.from(content) }
}

/** The data of the events of a stream, in order. */
export async function dataOf(pool: Database, name: string): Promise<string[]> {
  const { rows } = await pool.query<{ data: string }>(
    `select e.data::text as data from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'w' and s.name = $1 order by e."position"`,
    [name],
  )
  return rows.map(({ data }) => data)
}
