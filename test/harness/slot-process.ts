/** A process that counts its open streams together with others, with a row in the cluster and a clock to set. */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import { type ClaimSlots, SharedSlots } from '../../src/limits/shared-slots.js'
import { claimsIn } from '../../src/limits/slot-rows.js'
import type { StreamLimit, StreamSlot } from '../../src/limits/stream-slot.js'
import { StreamSlots } from '../../src/limits/stream-slots.js'

export const ada = { workspace: 'acme', id: 'ada', address: '192.0.2.1' }
/** The key of its principal in sluice.stream_slots. */
export const ADA = 'principal acme ada'

export interface SlotSetup {
  readonly pool: Database
  readonly principal: number
  readonly claim?: (claim: ClaimSlots) => ClaimSlots
}

/** Its streams end when they are withdrawn. */
export async function slotsOn(test: Test, { pool, principal, claim = ask => ask }: SlotSetup) {
  const id = randomUUID()
  await pool.query(
    `insert into sluice.nodes (id, name, version, mode, started_at, heartbeat_at, lag_ms, clients, clients_by_kind)
     values ($1, 'n', '1', 'normal', now(), clock_timestamp() + interval '1 hour', 0, 0, '{}')`,
    [id],
  )
  const caps = { principal, workspace: 0, address: 0 }
  const warnings: string[] = []
  const logger = { info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) }
  const clock = { at: 0 }
  const shared = new SharedSlots({ caps, claim: claim(claimsIn(pool, id)), logger, now: () => clock.at })
  test.teardown(() => shared.close())
  const slots = new StreamSlots(caps, shared)
  const streams: StreamSlot[] = []
  const withdrawn: StreamLimit[] = []
  /** The streams that a slow client keeps open for a while. */
  const slow = new Set<StreamSlot>()
  const open = (holder = ada): StreamLimit | undefined => {
    const slot = slots.take(holder)
    if (typeof slot === 'string') return slot
    streams.push(slot)
    slot.onWithdrawn = limit => {
      withdrawn.push(limit)
      if (slow.has(slot)) return
      streams.splice(streams.indexOf(slot), 1)
      slot.release()
    }
    return undefined
  }
  /** Opens so many streams; returns how many were refused. */
  const openMany = (count: number) => Array.from({ length: count }, () => open()).filter(Boolean).length
  const close = (count = 1) => streams.splice(0, count).forEach(slot => void slot.release())
  return { id, shared, clock, streams, slow, withdrawn, warnings, open, openMany, close }
}

type SlotProcess = Awaited<ReturnType<typeof slotsOn>>

/** One exchange after the other, as if so much time had passed since the last one. */
export async function exchanged(ms: number, ...processes: SlotProcess[]): Promise<void> {
  for (const { shared, clock } of processes) {
    clock.at += ms
    await shared.exchange()
  }
}

export async function claimed(pool: Database): Promise<Record<string, Record<string, number>>> {
  const { rows } = await pool.query('select key, holders from sluice.stream_slots')
  return Object.fromEntries(rows.map(({ key, holders }) => [key, holders]))
}
