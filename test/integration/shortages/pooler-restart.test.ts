import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { followGateway } from '../../harness/followed-gateway.js'
import { runPgBouncer, withoutPgBouncer } from '../../harness/pgbouncer.js'
import { preparePostgres } from '../../harness/postgres.js'

t.test(
  'PgBouncer is killed and started again: streams stay open, and everything goes on',
  { skip: withoutPgBouncer() },
  async t => {
    const postgres = await preparePostgres(t)
    await postgres.start()
    await migrate(postgres.url)
    const pooler = await runPgBouncer(t, postgres.url, 'transaction')
    const followed = await followGateway(t, pooler.url, { LISTEN_DATABASE_URL: postgres.url })
    await followed.publish()

    await pooler.kill()
    const refused = [await followed.publish(), await followed.page()]
    const newcomer = await followed.newcomer()
    await followed.untilMode('degraded')
    await pooler.start()
    await followed.untilMode('normal')
    const stored = await followed.publish()

    for (const answer of refused)
      t.match(answer, { status: 503, code: 'database-unavailable', retryAfter: '2' })
    t.match(newcomer, { event: 'unavailable', data: '{"reason":"database"}' })
    t.equal(stored.status, 201)
    await followed.showsTheLog()
  },
)
