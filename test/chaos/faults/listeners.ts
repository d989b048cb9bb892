/** Faults of the connections on which gateways listen, and of their notifications. */
import { until } from '../../harness/until.js'
import { ended, type Fault, type Scene } from '../fault.js'
import type { FaultyProxy } from '../faulty-proxy.js'

/** The network between one gateway and Postgres, once `act` has met a listener there. */
async function atListener(
  { world, random }: Scene,
  act: (proxy: FaultyProxy) => number,
): Promise<FaultyProxy> {
  const { name, database } = random.pick(world.gateways)
  await until(`${name} has a listener`, () => act(database) > 0)
  return database
}

export const LISTENER_FAULTS: readonly Fault[] = [
  {
    name: 'listener-terminated',
    parts: ['listener', 'postgres'],
    causes: [],
    lasts: [200, 1_000],
    isShort: true,
    async inject({ world }) {
      await world.databases.execute(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice listen'`,
      )
      return ended
    },
  },
  {
    name: 'listener-half-open',
    parts: ['listener', 'database', 'postgres'],
    causes: [],
    lasts: [2_000, 10_000],
    isShort: true,
    async inject(scene) {
      const proxy = await atListener(scene, each => each.loseListeners())
      return async () => proxy.heal()
    },
  },
  {
    name: 'listener-unlistened',
    parts: ['listener', 'database', 'postgres'],
    causes: [],
    lasts: [1_000, 10_000],
    isShort: true,
    async inject(scene) {
      await atListener(scene, each => each.unlisten())
      return ended
    },
  },
  {
    name: 'notify-off',
    parts: ['listener', 'database'],
    causes: [],
    lasts: [2_000, 12_000],
    isShort: true,
    async inject({ world }) {
      for (const { database } of world.gateways) database.dropNotifications(true)
      return async () => {
        for (const { database } of world.gateways) database.dropNotifications(false)
      }
    },
  },
]
