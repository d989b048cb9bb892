/** A session that no longer listens, and notifications of which half are lost, between a real Postgres and a real gateway. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { followGateway } from '../../harness/followed-gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { randomFrom } from '../../harness/random.js'
import { execute } from '../../harness/server.js'
import { until } from '../../harness/until.js'

const NOTIFICATION = 'A'
const PUBLISHED = 60
const SEED = Number(process.env.SLUICE_SEED || 20)

t.test(
  `half of the notifications are lost, and every event arrives once and in order (seed ${SEED})`,
  async t => {
    const { url } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    const random = randomFrom(SEED)
    const counts = { lost: 0, passed: 0 }
    const env = { LISTEN_DATABASE_URL: proxy.url, BUS_NOTIFY: 'on' }
    const followed = await followGateway(t, url, env)
    await until('the bus listens', () => followed.gateway.app.bus.status === 'listening')

    proxy.messages = message => {
      if (message.toString('latin1', 0, 1) !== NOTIFICATION) return message
      const isLost = random.integer(2) === 0
      counts[isLost ? 'lost' : 'passed'] += 1
      return isLost ? Buffer.alloc(0) : message
    }
    for (let n = 1; n <= PUBLISHED; n += 1)
      await execute(url, `select sluice.publish('acme', 'feed', 'thing.made', '{"n":${n}}')`)
    const log = await followed.showsTheLog()

    t.equal(log.length, PUBLISHED)
    t.ok(counts.lost > 0 && counts.passed > 0, `${counts.lost} lost, ${counts.passed} passed`)
  },
)
