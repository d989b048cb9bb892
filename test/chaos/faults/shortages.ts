/** What the machine of the primary lacks: room on its disks, and the right time. */
import { answers } from '../../harness/server.js'
import { until } from '../../harness/until.js'
import type { Fault, Scene } from '../fault.js'

const HOUR_S = 3_600
/** Ends a segment of the WAL that is not empty, so that the next one needs room. */
const NEXT_SEGMENT = `select pg_logical_emit_message(true, 'chaos', 'full'); select pg_switch_wal()`
const LONG = `clock_timestamp() + interval '10 minutes'`
/** docs/operations.md, "Clocks": what a process that has ended meanwhile held until an hour later. */
const END_LONG_LEASES = `
  update sluice.consumers set lease_until = clock_timestamp() where lease_until > ${LONG};
  update sluice.jobs set lease_expires_at = clock_timestamp() where lease_expires_at > ${LONG};
  update sluice.durable_subscriptions set lease_until = clock_timestamp(), due_at = clock_timestamp() where lease_until > ${LONG};
  delete from sluice.leases where until > ${LONG}`

export const SHORTAGE_FAULTS: readonly Fault[] = [
  {
    name: 'disk-full',
    parts: ['postgres'],
    causes: ['full', 'postgres-killed'],
    lasts: [500, 6_000],
    isShort: true,
    async inject({ world }) {
      world.databases.shortages.set({ dataFull: true })
      return () => makeRoom(world)
    },
  },
  {
    // Postgres ends, and cannot start before there is room.
    name: 'wal-full',
    parts: ['postgres'],
    causes: ['full', 'postgres-killed'],
    lasts: [200, 4_000],
    async inject({ world }) {
      const { databases } = world
      databases.shortages.set({ walFull: true })
      await until('the server has ended', async () => {
        await databases.execute(NEXT_SEGMENT).catch(() => undefined)
        return !(await answers(databases.url))
      })
      return () => makeRoom(world)
    },
  },
  {
    // A revocation and retention go by this clock.
    name: 'postgres-clock-wrong',
    parts: ['postgres', 'data'],
    causes: ['backend-killed'],
    lasts: [500, 5_000],
    isShort: true,
    async inject({ world, random }) {
      const { shortages } = world.databases
      shortages.set({ clockAheadS: random.pick([HOUR_S, -HOUR_S]) })
      return async () => {
        shortages.set({})
        await world.databases.execute(END_LONG_LEASES)
      }
    },
  },
]

async function makeRoom({ databases }: Scene['world']): Promise<void> {
  databases.shortages.set({})
  if (await answers(databases.url)) return
  // Collects what is left of it.
  await databases.stop()
  await databases.start()
}
