import { randomUUID } from 'node:crypto'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { followGateway } from '../../harness/followed-gateway.js'
import { as } from '../../harness/gateway.js'
import { preparePostgres } from '../../harness/postgres.js'
import { execute } from '../../harness/server.js'
import { prepareShortages, withoutShortages } from '../../harness/shortages.js'
import { until } from '../../harness/until.js'

const HOUR_S = 3_600

t.test(
  'the clock of the server jumps an hour ahead and two hours back: order, streams, keys and nodes stay as they are',
  { skip: withoutShortages() },
  async t => {
    const shortages = await prepareShortages(t)
    const postgres = await preparePostgres(t, {}, undefined, undefined, shortages)
    await postgres.start()
    await migrate(postgres.url)
    const followed = await followGateway(t, postgres.url)
    const { gateway } = followed
    const key = randomUUID()
    const repeat = async () => {
      const response = await fetch(`${gateway.url}/api/events`, {
        method: 'POST',
        headers: { ...as('editor'), 'content-type': 'application/json', 'idempotency-key': key },
        body: '{"type":"thing.made","data":{}}',
      })
      return Object(await response.json()).events?.[0]?.id as string | undefined
    }
    const first = await repeat()

    for (const hours of [1, -1, 0]) {
      shortages.set({ clockAheadS: hours * HOUR_S })
      const { rows } = await execute(postgres.url, 'select clock_timestamp() as at')
      const skewMs = rows[0].at.getTime() - Date.now()
      t.ok(Math.abs(skewMs - hours * HOUR_S * 1_000) < HOUR_S * 500, `the clock is ${hours} h ahead`)

      t.equal((await followed.publish()).status, 201)
      t.equal(await repeat(), first, 'the key still has its first answer')
      t.match(await followed.newcomer(), { event: 'server.state', data: /"mode":"normal"/ })
      t.equal((await followed.page()).status, 200)
      await until('its node is in the cluster', async () => {
        const nodes = await execute(
          postgres.url,
          `select 1 from sluice.nodes where abs(extract(epoch from clock_timestamp() - heartbeat_at)) < 10`,
        )
        return nodes.rowCount === 1
      })
    }

    t.equal((await followed.showsTheLog()).length, 4)
  },
)
