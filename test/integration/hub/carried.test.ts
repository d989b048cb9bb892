/**
 * Events that arrive with the wakes of other processes, over a broker that does its worst. Whatever it does, each client gets the bytes
 * of the log: each event after the one before it by identity, or a reset first (I4).
 */
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Committed } from '../../../src/log/committed.js'
import { byNight } from '../../harness/nightly.js'
import { seedOfRun } from '../../harness/seed.js'
import { until } from '../../harness/until.js'
import { ModelCluster } from './model-cluster.js'

const SEEDS = byNight(12, 2_000)
const first = seedOfRun(0)

t.test(
  `whatever a broker does to messages, clients get the bytes of the log (SLUICE_SEED=${first})`,
  async t => {
    const found: string[] = []
    let taken = 0
    for (let seed = first; seed < first + SEEDS; seed += 1) {
      const cluster = await ModelCluster.start(seed)
      try {
        await cluster.play()
        found.push(...cluster.check().map(what => `seed ${seed}: ${what}`))
      } catch (error) {
        found.push(`seed ${seed}: ${error}`)
      }
      taken += cluster.tailer.tally.carried.taken
      await cluster.close()
    }
    t.strictSame(found, [])
    t.ok(taken > SEEDS * 20, `only ${taken} events were taken: the test tests nothing`)
  },
)

t.test('over a broker that works, the events of other processes need no read', async t => {
  const cluster = await start(t, 1)
  const before = cluster.reads

  for (let n = 0; n < 50; n += 1) {
    cluster.announce(cluster.log.change(0, Array(1 + (n % 7)).fill('thing.made')))
    await until('the head', () => cluster.isAtHead)
  }

  const { taken, read } = cluster.tailer.tally.carried
  t.ok(taken > 100, `${taken} of 196 events were taken`)
  t.ok(cluster.reads - before <= read, 'only events that arrive in a turn without time left are read')
  t.strictSame(cluster.check(), [])
  await cluster.close()
})

t.test(
  'events that arrive before their predecessors wait for them, and are read if these do not arrive',
  async t => {
    const cluster = await start(t, 5)
    const { log, tailer } = cluster
    const [first, second, third] = [1, 1, 1].map(() => log.change(0, ['thing.made'])) as [
      Committed,
      Committed,
      Committed,
    ]

    for (const each of [third, second, first]) cluster.announce(each)
    await until('the head', () => cluster.isAtHead)
    t.equal(tailer.tally.carried.read, 0)

    log.change(0, ['thing.made'])
    cluster.announce(log.change(0, ['thing.made']))
    await until('the head, by a read', () => cluster.isAtHead)
    t.equal(tailer.tally.carried.read, 1)
    t.strictSame(cluster.check(), [])
    await cluster.close()
  },
)

t.test('after the connection to the database was lost, nothing from before is taken', async t => {
  const cluster = await start(t, 2)
  const { log, broker, reader, tailer } = cluster
  const lost = log.change(0, ['thing.made'])
  cluster.announce(lost)
  await until('the head', () => cluster.isAtHead)

  log.change(1, [])
  cluster.failOver()
  reader.historyMayDiffer()
  tailer.wake('all')
  await until('the head of the other history', () => cluster.isAtHead)
  const before = tailer.tally.carried.taken
  broker.repeatAll()
  cluster.zombie.announce?.([lost])
  for (let n = 0; n < 50; n += 1) await turn()
  t.equal(tailer.tally.carried.taken, before)

  await until('the new history is known', () => {
    const next = log.change(0, ['thing.made'])
    cluster.announce(next)
    return tailer.tally.carried.taken > before
  })
  await until('the head', () => cluster.isAtHead)
  t.strictSame(cluster.check(), [])
  t.match(cluster.received, /event: reset\n/)
  await cluster.close()
})

t.test('after a server lost its last events and started again, nothing from before is taken', async t => {
  const cluster = await start(t, 4)
  const { log, broker, reader, tailer } = cluster
  cluster.announce(log.change(0, ['thing.made']))
  await until('the head', () => cluster.isAtHead)
  const before = tailer.tally.carried.taken

  log.change(1, [])
  reader.historyMayDiffer()
  tailer.wake('all')
  await until('the head of the other history', () => cluster.isAtHead)
  for (let n = 0; n < 50; n += 1) await turn()
  broker.repeatAll()
  for (let n = 0; n < 50; n += 1) await turn()

  t.equal(tailer.tally.carried.taken, before)
  t.ok(cluster.isAtHead)
  t.strictSame(cluster.check(), [])
  await cluster.close()
})

t.test('nothing is taken while the log cannot be read', async t => {
  const cluster = await start(t, 3)
  const { log, tailer } = cluster
  cluster.fails = true
  tailer.wake('all')
  await until('the tailer knows', () => tailer.failingSince !== undefined)

  cluster.announce(log.change(0, ['thing.made']))
  for (let n = 0; n < 50; n += 1) await turn()

  t.notOk(cluster.isAtHead)
  cluster.fails = false
  await until('the head', () => cluster.isAtHead)
  t.strictSame(cluster.check(), [])
  await cluster.close()
})

async function start(t: Test, seed: number): Promise<ModelCluster> {
  const cluster = await ModelCluster.start(seed)
  t.teardown(() => cluster.close())
  return cluster
}
