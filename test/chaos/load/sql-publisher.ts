/** Publishes in transactions of an application: over several streams, with savepoints and rollbacks, and on connections that break. */
import type pg from 'pg'
import type { Database } from '../../../src/database/pool.js'
import { sqlState } from '../../../src/problems/problem.js'
import { dataOf, jsonOf, TEXTS } from '../../end-to-end/event-data.js'
import type { Random } from '../../end-to-end/random.js'
import { nameOf, type Place } from '../../followers/place.js'
import { LARGE, type Publisher, type PublisherOptions } from './publisher.js'
import { TYPES } from './streams.js'

/** The SQLSTATE of a broken connection, for one that broke without a word from the server. */
const BROKEN = '08006'
/** Rows of the watched table for each of its publishers. */
const ROWS = 25

/** A transaction over streams, in the order given; a part of it or all of it may be undone. */
export function sqlPublisher(name: string, places: readonly Place[]): Publisher {
  return async (n, options) => {
    const { random } = options
    const parts = places.flatMap(place => Array.from({ length: random.between(1, 2) }, () => place))
    const events = parts.map((place, index) => ({ place, mark: `${name}-${n}-${index}` }))
    await transact(`${name}-${n}`, events, options, async client => {
      const undone: string[] = []
      for (const { place, mark } of events) {
        await client.query('savepoint part')
        await client.query('select sluice.publish($1, $2, $3, $4)', [
          place.workspace,
          place.stream,
          random.pick(TYPES),
          jsonOf(dataOf(mark, random, LARGE), random),
        ])
        if (!random.chance(0.2)) continue
        await client.query('rollback to part')
        undone.push(mark)
      }
      return undone
    })
  }
}

/** Changes rows of a watched table, each of which is an event; a deleted row has no mark, and comes last. */
export function tablePublisher(name: string, place: Place, offset: number): Publisher {
  return async (n, options) => {
    const { random } = options
    const marks = Array.from({ length: random.between(1, 3) }, (_, index) => `${name}-${n}-${index}`)
    const events = marks.map(mark => ({ place, mark }))
    await transact(`${name}-${n}`, events, options, async client => {
      for (const mark of marks) await putRow(client, offset + random.between(1, ROWS), mark, place, random)
      if (random.chance(0.2)) await dropRow(client, offset + random.between(1, ROWS))
      return []
    })
  }
}

export async function createTable(pool: Database): Promise<void> {
  await pool.query(
    'create table public.parcels (id int primary key, workspace text not null, n int, note text, marker text)',
  )
  await pool.query(`select sluice.watch('public.parcels', name => 'parcel', workspace_column => 'workspace')`)
}

async function putRow(
  client: pg.PoolClient,
  id: number,
  mark: string,
  { workspace }: Place,
  random: Random,
): Promise<void> {
  // Postgres stores no NUL in a text.
  const note = random.pick(TEXTS.slice(0, -1))
  await client.query(
    `insert into public.parcels values ($1, $2, $3, $4, $5)
       on conflict (id) do update set n = excluded.n, note = excluded.note, marker = excluded.marker`,
    [id, workspace, random.between(0, 9), note, mark],
  )
}

async function dropRow(client: pg.PoolClient, id: number): Promise<void> {
  await client.query('update public.parcels set marker = null where id = $1', [id])
  await client.query('delete from public.parcels where id = $1', [id])
}

interface MarkedEvent {
  readonly place: Place
  readonly mark: string
}

/** @param work returns the marks that it has taken back. */
async function transact(
  name: string,
  events: readonly MarkedEvent[],
  { pool, random, recorder, counts }: PublisherOptions,
  work: (client: pg.PoolClient) => Promise<string[]>,
): Promise<void> {
  const publish = recorder.publish(
    name,
    events.map(({ place, mark }) => ({ stream: nameOf(place), mark })),
  )
  const commits = random.chance(0.85)
  let client: pg.PoolClient | undefined
  let isDecided = false
  let undone: string[] = []
  try {
    client = await pool.connect()
    await client.query('begin')
    undone = await work(client)
    isDecided = commits
    const { command } = await client.query(commits ? 'commit' : 'rollback')
    if (command !== (commits ? 'COMMIT' : 'ROLLBACK')) throw new Error(`${name} has ended with ${command}.`)
    if (commits) publish.acknowledged(undone)
    else publish.failed('rolled back')
    counts[commits ? 'acknowledged' : 'failed'] += events.length
    client.release()
  } catch (error) {
    client?.release(true)
    const isUnknown = isDecided && !isRefusal(error)
    if (isUnknown) publish.unknown(undone)
    else publish.failed(sqlState(error) ?? BROKEN)
    counts[isUnknown ? 'unknown' : 'failed'] += events.length
    throw new Interrupted(name, { cause: error })
  }
}

/** A publish that something has interrupted: the next one waits a little. */
export class Interrupted extends Error {}

/** Whether the server has refused the COMMIT and rolled back; the end of its process says nothing about that. */
function isRefusal(error: unknown): boolean {
  return sqlState(error) !== undefined && Reflect.get(Object(error), 'severity') === 'ERROR'
}
