/**
 * Locks all tables of the schema `sluice` before a migration, while other gateways and applications use them.
 *
 * A migration that took its locks one by one would deadlock with writers, and one that waits behind a long transaction, such as
 * pg_dump, keeps everybody else waiting behind itself. So each attempt waits for a short time only, and gives all its locks back
 * before the next one: writers pause, and are never stopped for long.
 */
import { setTimeout } from 'node:timers/promises'
import type pg from 'pg'
import { SqlState, sqlState } from '../problems/problem.js'

/** The tables that a writer reaches last, in its order. In another order, writers and the migration would wait for each other. */
const LAST_TABLES = ['pending', 'idempotency_keys', 'streams', 'stream_counts', 'limits', 'events']
/** Shorter than Postgres' deadlock_timeout (1 s), so that the migration gives way and no writer fails. */
const SHORT_ATTEMPT_MS = 500
/** Longer than it: Postgres then cancels an autovacuum that is in the way. */
const LONG_ATTEMPT_MS = 1_500
const SHORT_ATTEMPTS = 10
/** For whatever the migration waits later on, all others wait too. */
const LATER_WAITS_MS = 10_000
const PAUSE_MS = 1_000
const DEADLINE_MS = 5 * 60_000

/**
 * Locks the tables until the transaction that is open on `client` ends.
 * @param deadlineMs for how long it repeats its attempts.
 * @throws if other transactions still hold the tables then; the message names the connections.
 */
export async function lockTables(client: pg.ClientBase, deadlineMs = DEADLINE_MS): Promise<void> {
  const lock = await lockStatement(client)
  if (lock === undefined) return
  const deadline = performance.now() + deadlineMs
  for (let attempt = 1; ; attempt++) {
    const wait = attempt <= SHORT_ATTEMPTS ? SHORT_ATTEMPT_MS : LONG_ATTEMPT_MS
    if (await tryToLock(client, lock, wait)) return
    if (performance.now() >= deadline) throw new Error(await explain(client, deadlineMs))
    await setTimeout(PAUSE_MS)
  }
}

async function lockStatement(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ tables: string | null }>(
    `select string_agg(format('sluice.%I', c.relname), ', '
       order by coalesce(array_position($1::text[], c.relname::text), 0), c.relname) as tables
     from pg_class c
     where c.relnamespace = to_regnamespace('sluice') and c.relkind = 'r' and pg_has_role(c.relowner, 'usage')`,
    [LAST_TABLES],
  )
  const tables = rows[0]?.tables
  return tables == null ? undefined : `lock table ${tables} in access exclusive mode`
}

async function tryToLock(client: pg.ClientBase, lock: string, waitMs: number): Promise<boolean> {
  await client.query(`savepoint tables; set local lock_timeout = ${waitMs}`)
  try {
    await client.query(lock)
    await client.query(`release savepoint tables; set local lock_timeout = ${LATER_WAITS_MS}`)
    return true
  } catch (error) {
    const state = sqlState(error)
    if (state !== SqlState.lockNotAvailable && state !== SqlState.deadlockDetected) throw error
    await client.query('rollback to savepoint tables')
    return false
  }
}

async function explain(client: pg.ClientBase, deadlineMs: number): Promise<string> {
  const { rows } = await client.query<{ holders: string | null }>(
    `select string_agg(format('%s (%s)', o.pid, o.name), ', ' order by o.xact_start) as holders
     from (
       select a.pid, a.xact_start, coalesce(nullif(a.application_name, ''), a.usename) as name
       from pg_stat_activity a
       where a.pid <> pg_backend_pid() and a.pid in (
         select l.pid from pg_locks l join pg_class c on c.oid = l.relation
         where c.relnamespace = to_regnamespace('sluice') and l.granted
       )
       order by a.xact_start limit 10
     ) o`,
  )
  return (
    `The tables of Sluice could not be locked for the migration within ${Math.round(deadlineMs / 1_000)} s. Nothing was changed. ` +
    `The oldest transactions that use them: ${rows[0]?.holders ?? 'none now'}. End them, or wait for their end, and start the gateway again.`
  )
}
