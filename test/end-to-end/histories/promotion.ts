/** Two servers with streaming replication at an address that moves, and what a promotion has lost. */
import type { Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import type { Position } from '../../../src/log/event.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { fingerprint } from '../../checker/fingerprint.js'
import { WRITTEN } from '../../checker/recorded-table.js'
import type { Recorder } from '../../checker/recorder.js'
import { type PostgresProxy, startProxy } from '../../harness/postgres-proxy.js'
import { type Pair, startPair } from '../../harness/replication.js'
import { execute } from '../../harness/server.js'
import { createStreams } from './crowd.js'

export interface Replicated extends Pair {
  /** The address of the primary for gateways and publishers. */
  readonly address: PostgresProxy
}

export async function startReplicated(t: Test): Promise<Replicated> {
  const pair = await startPair(t)
  await createStreams(pair.primary.url)
  return { ...pair, address: await startProxy(t, pair.primary.url) }
}

/** New connections lead to the standby, which is promoted; those of before stay where they are. */
export async function promote({ standby, address }: Replicated): Promise<void> {
  await execute(standby.url, 'select pg_promote()')
  address.databaseUrl = standby.url
}

/** Cuts what still leads to the old primary. */
export async function cutOff(address: PostgresProxy): Promise<void> {
  await address.unplug()
  await address.plugIn()
}

interface Row {
  readonly stream: string
  readonly position: Position
  readonly eventId: string
  readonly type: string
  readonly data: string
  readonly at: Date
}

/** Adds the events of `old` to the history that the server of `pool` does not have, of streams that it has. @returns how many there are. */
export async function recordLost(old: string, pool: Database, recorder: Recorder): Promise<number> {
  const now = await rowsOf(pool)
  const kept = new Set(now.map(({ eventId }) => eventId))
  const streams = new Set(now.map(({ stream }) => stream))
  const before = createPool(old, { max: 1, name: 'test', onError: () => undefined })
  let lost = 0
  let after: string | undefined
  try {
    for (const row of await rowsOf(before)) {
      const id = formatEventId(row.position, row.eventId)
      const previous = row.position === 1 ? undefined : after
      after = id
      if (kept.has(row.eventId) || !streams.has(row.stream)) continue
      lost += 1
      const { marker: mark } = JSON.parse(row.data) as { marker?: string }
      const h = Object.fromEntries(
        Object.entries(WRITTEN).map(([form, write]) => [form, fingerprint(write({ ...row, id }))]),
      )
      const more = { ...(mark && { mark }), ...(previous && { after: previous }) }
      recorder.write({ k: 'row', stream: row.stream, id, type: row.type, h, lost: true, ...more })
    }
  } finally {
    await before.end()
  }
  return lost
}

async function rowsOf(pool: Database): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `select s.workspace || '/' || s.name as stream, e."position", e.event_id as "eventId", e.type, e.data, e.at
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace <> '$system' order by s.id, e."position"`,
  )
  return rows
}
