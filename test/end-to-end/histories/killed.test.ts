/**
 * A Postgres that ends again and again, with `kill -9` and in order, under open streams and publishers. It is the same history
 * afterwards, so clients see nothing of it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { byNight } from '../../harness/nightly.js'
import { preparePostgres, withoutFreezing } from '../../harness/postgres.js'
import { startProcess } from '../../harness/process.js'
import { createStreams, startCrowd } from './crowd.js'

const CLIENTS = 12
/** The time between two ends, and how often. By day the server ends as soon as all publishers have stored something again. */
const BETWEEN_MS = byNight(0, 20_000)
const ENDS = byNight(4, 15)

t.test(
  `Postgres ends ${ENDS} times, killed and in order: streams stay open, and nothing is lost`,
  { skip: withoutFreezing() },
  async t => {
    const postgres = await preparePostgres(t)
    await postgres.start()
    await migrate(postgres.url)
    await createStreams(postgres.url)
    const env = { HEARTBEAT_MS: '500' }
    const gateways = await Promise.all([1, 2].map(() => startProcess(t, { databaseUrl: postgres.url, env })))
    const crowd = startCrowd(t, {
      origins: () => gateways.map(({ url }) => url),
      databaseUrl: () => postgres.url,
      planned: ['postgres-killed', 'postgres-stopped'],
      clients: CLIENTS,
    })
    await crowd.goOn()
    const before = crowd.steady.map(({ connections }) => connections)

    for (let end = 1; end <= ENDS; end += 1) {
      const fault = end % 2 ? 'postgres-killed' : 'postgres-stopped'
      crowd.recorder.fault(fault)
      await (end % 2 ? postgres.kill() : postgres.stop())
      await postgres.start()
      crowd.recorder.healed(fault)
      const back = performance.now()
      await crowd.goOn()
      t.comment(
        `every publisher stored five times ${Math.round(performance.now() - back)} ms after the server was back`,
      )
      await pause(BETWEEN_MS)
    }

    t.strictSame(
      crowd.steady.map(({ connections }) => connections),
      before,
      'no stream of a client that stayed was closed',
    )
    const verdict = await crowd.settle(postgres.url)
    t.equal(verdict.findings, 0, `${verdict}`)
    t.equal(verdict.count('resets'), 0)
    t.comment(`${verdict}`)
    for (const gateway of gateways) t.equal(await gateway.stop(), 0)
  },
)
