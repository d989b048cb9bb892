/** Promotions of the standby: with all that was committed, without the last of it, and while the old primary is still written. */
import { until } from '../../harness/until.js'
import type { Databases } from '../databases.js'
import { ended, type Fault, type Part } from '../fault.js'

/** A promotion ends every connection, and leads the proxies to another server. */
const PROMOTION: readonly Part[] = ['postgres', 'listener', 'database', 'publishers']
/** So many events at least are lost with a tail. */
const LEAST_LOST = 5

export const PROMOTION_FAULTS: readonly Fault[] = [
  {
    name: 'promoted',
    parts: PROMOTION,
    causes: [],
    lasts: [0, 0],
    isShort: true,
    async inject({ world }) {
      await world.databases.promote()
      return ended
    },
  },
  {
    name: 'lost-tail',
    parts: PROMOTION,
    causes: ['promoted'],
    recordsItself: true,
    lasts: [0, 0],
    isShort: true,
    async inject({ world: { databases }, keepLost }) {
      await databases.loseTail(moreCommitted(databases), keepLost)
      return ended
    },
  },
  {
    // The gateway that stays goes on to serve, and is behind the same nginx as the others.
    name: 'two-writable',
    parts: [...PROMOTION, 'gateways', 'upstream', 'data'],
    causes: ['promoted'],
    lasts: [0, 0],
    async inject({ world: { databases, gateways }, random, keepLost }) {
      await databases.split(random.pick(gateways).database, moreCommitted(databases), keepLost)
      return ended
    },
  },
]

/** Resolves when the load has committed some events at the primary of now since the call. */
function moreCommitted(databases: Databases): () => Promise<void> {
  const count = async () =>
    Number((await databases.execute('select count(*) as events from sluice.events')).rows[0].events)
  return async () => {
    const before = await count()
    await until('something will be lost', async () => (await count()) >= before + LEAST_LOST)
  }
}
