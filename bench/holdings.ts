/**
 * The resources that a gateway holds: descriptors, timers, sockets, backends of Postgres, memory. After a fault it must
 * hold no more than before.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { withClient } from './seed.js'
import type { Vitals } from './vitals.js'

/** To be loaded into a gateway whose holdings are counted. */
export const VITALS = new URL('./vitals.js', import.meta.url).href
const LOOK_AGAIN_MS = 1_000
/** A stream stays open for 10 s after its last client, and a connection to Postgres for 10 s after its last statement. */
const REST_MS = 12_000
const PATIENCE_MS = 60_000

export interface Holdings extends Vitals {
  readonly descriptors: number
  /** Connections to the database, of all gateways on it. */
  readonly backends: number
}
type Count = 'descriptors' | 'timers' | 'sockets' | 'backends'
const COUNTS: readonly Count[] = ['descriptors', 'timers', 'sockets', 'backends']

export interface Holder {
  readonly child: ChildProcess
  readonly databaseUrl: string
}

export async function holdingsOf({ child, databaseUrl }: Holder): Promise<Holdings> {
  child.send('vitals')
  const [vitals] = (await once(child, 'message')) as [Vitals]
  const descriptors = (await readdir(`/proc/${child.pid}/fd`)).length
  return { ...vitals, descriptors, backends: await backendsOf(databaseUrl) }
}

/** The most that a process holds while it has nothing to do: its counts change then, too, with its periodic work. @param looks one a second. */
export async function restingHoldings(holder: Holder, looks = 12): Promise<Holdings> {
  await pause(REST_MS)
  let most = await holdingsOf(holder)
  for (let look = 1; look < looks; look += 1) {
    await pause(LOOK_AGAIN_MS)
    const held = await holdingsOf(holder)
    const counts = COUNTS.map(count => [count, Math.max(held[count], most[count])])
    most = { ...held, ...Object.fromEntries(counts) }
  }
  return most
}

/** Looks until no count exceeds that of `base`. @returns the last look, and the counts that still exceed it. */
export async function backAtBase(holder: Holder, base: Holdings): Promise<{ held: Holdings; more: Count[] }> {
  const late = performance.now() + PATIENCE_MS
  for (;;) {
    const held = await holdingsOf(holder)
    const more = exceeding(held, base)
    if (more.length === 0 || performance.now() > late) return { held, more }
    await pause(LOOK_AGAIN_MS)
  }
}

function exceeding(held: Holdings, base: Holdings): Count[] {
  return COUNTS.filter(count => held[count] > base[count])
}

export async function backendsOf(databaseUrl: string): Promise<number> {
  return (await backendsSince(databaseUrl, new Date(0))).count
}

/** Connections to the database, of all gateways on it, and how many of them are older than `since`, which is a time of the server. */
export function backendsSince(databaseUrl: string, since: Date): Promise<{ count: number; older: number }> {
  return withClient(databaseUrl, async client => {
    const { rows } = await client.query(
      `select count(*)::int as count, count(*) filter (where backend_start < $1)::int as older
        from pg_stat_activity where datname = current_database() and application_name like 'sluice%'`,
      [since],
    )
    return rows[0]
  })
}
