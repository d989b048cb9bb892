/** Promotions of a real standby under gateways, clients and publishers: docs/operations.md, "Backups and failover". */
import t, { type Test } from 'tap'
import { recordLost } from '../../checker/kept-rows.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { startProcess } from '../../harness/process.js'
import { inStep } from '../../harness/replication.js'
import { execute } from '../../harness/server.js'
import { until } from '../../harness/until.js'
import { startCrowd } from './crowd.js'
import { cutOff, promote, startReplicated } from './promotion.js'

const CLIENTS = 12
const env = { HEARTBEAT_MS: '500' }

t.test('a standby that has everything is promoted: streams stay open, and nothing is lost', async t => {
  const pair = await startReplicated(t)
  const { primary, standby, address } = pair
  // Then a COMMIT returns when the standby has it.
  await execute(primary.url, `alter system set synchronous_standby_names = '*'`)
  await execute(primary.url, `alter system set synchronous_commit = 'remote_apply'`)
  await execute(primary.url, 'select pg_reload_conf()')
  await until('the standby is synchronous', async () => {
    const { rows } = await execute(primary.url, 'select sync_state from pg_stat_replication')
    return rows[0]?.sync_state === 'sync'
  })
  const gateways = await Promise.all([1, 2].map(() => startProcess(t, { databaseUrl: address.url, env })))
  const crowd = startCrowd(t, {
    origins: () => gateways.map(({ url }) => url),
    databaseUrl: () => address.url,
    planned: ['promoted'],
    clients: CLIENTS,
  })
  await crowd.goOn()
  const before = crowd.steady.map(({ connections }) => connections)

  crowd.recorder.fault('promoted')
  await primary.stop()
  await inStepWithout(standby.url)
  await promote(pair)
  await cutOff(address)
  crowd.recorder.healed('promoted')
  const back = performance.now()
  await crowd.goOn()
  t.comment(
    `every publisher stored five times ${Math.round(performance.now() - back)} ms after the promotion`,
  )

  t.strictSame(
    crowd.steady.map(({ connections }) => connections),
    before,
    'no stream of a client that stayed was closed',
  )
  const verdict = await crowd.settle(standby.url)
  t.equal(verdict.findings, 0, `${verdict}`)
  t.equal(verdict.count('resets'), 0)
  t.comment(`${verdict}`)
})

t.test(
  'a standby that lacks the last events is promoted: clients that have them get a reset, and the others nothing',
  t => losesTail(t, true),
)

t.test(
  'two nodes are writable for a while: no history is mixed with the other, and all end in that of the new primary',
  t => losesTail(t, false),
)

/** @param isFenced whether the old primary is out of reach before the standby is promoted. */
async function losesTail(t: Test, isFenced: boolean): Promise<void> {
  const pair = await startReplicated(t)
  const { primary, standby, address, replication } = pair
  // One gateway may stay on the old primary while the other one is wholly on the new one.
  const late = await startProxy(t, primary.url)
  const gateways = await Promise.all(
    [address, late].map(({ url }) => startProcess(t, { databaseUrl: url, env })),
  )
  const crowd = startCrowd(t, {
    origins: () => gateways.map(({ url }) => url),
    databaseUrl: () => address.url,
    planned: ['lost-tail', 'promoted'],
    clients: CLIENTS,
  })
  await crowd.goOn()
  await inStep(pair)

  crowd.recorder.fault('promoted')
  crowd.recorder.fault('lost-tail')
  await replication.unplug()
  await crowd.goOn()
  if (isFenced) await Promise.all([address.unplug(), late.unplug()])
  await promote(pair)
  if (isFenced) {
    late.databaseUrl = standby.url
    await Promise.all([address.plugIn(), late.plugIn()])
  } else {
    // New connections, of SQL publishers above all, reach the new primary; the gateways' own still reach the old one.
    await crowd.goOn()
    // Now their requests and readers are on the new one, and their tailers and listeners on the old one.
    await execute(
      primary.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name in ('sluice', 'sluice read')`,
    )
    await crowd.goOn()
    await cutOff(address)
    await crowd.goOn()
  }
  late.databaseUrl = standby.url
  await cutOff(late)
  crowd.recorder.healed('promoted')
  const back = performance.now()
  await crowd.goOn()
  t.comment(
    `every publisher stored five times ${Math.round(performance.now() - back)} ms after the promotion`,
  )

  let lost = 0
  const verdict = await crowd.settle(standby.url, async pool => {
    lost = await recordLost(primary.url, pool, crowd.recorder)
  })
  t.equal(verdict.findings, 0, `${verdict}`)
  t.ok(lost > 20, `${lost} events were lost`)
  t.ok(verdict.count('resets') >= crowd.steady.length / 2, `${verdict.count('resets')} resets`)
  t.comment(`${verdict}`)
}

/** Resolves when the standby has replayed all that it has received. */
async function inStepWithout(url: string): Promise<void> {
  await until('the standby has replayed everything', async () => {
    const { rows } = await execute(
      url,
      'select pg_last_wal_replay_lsn() = pg_last_wal_receive_lsn() as there',
    )
    return rows[0].there === true
  })
}
