/** Appends while something fails: each request has its own outcome, and a repeated one stores nothing twice. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { Problem } from '../../../src/problems/problem.js'
import { connect } from '../../harness/records.js'
import { ADA, dataOf, openStore, storeOn, text } from './store.js'

const codeOf = (error: unknown) => (error instanceof Problem ? error.code : String(error))

t.test('a request whose answer was lost is a duplicate when it is repeated', async t => {
  const { pool, streams } = await openStore(t)
  await streams.create(ADA, 's', { contentType: 'text/plain' })
  const lossy = storeOn(t, losingFirstAnswer(pool)).streams
  const request = { body: text('x'), close: true, producer: { id: 'p', epoch: 0, seq: 0 } }

  const lost = await lossy.append(ADA, 's', request).catch(error => error)
  const again = await lossy.append(ADA, 's', request)

  t.match(lost, { code: 'database-unavailable', detail: /may or may not be stored.*same producer headers/ })
  t.match(again, { outcome: 'duplicate', tail: 1, closed: true })
  t.strictSame(await dataOf(pool, 's'), ['{"text":"x"}'])
})

t.test('a stream that another transaction keeps locked fails alone', async t => {
  const { pool, streams } = await openStore(t)
  for (const name of ['held', 'free']) await streams.create(ADA, name, { contentType: 'text/plain' })
  const holder = await connect(t, pool)
  await holder.query(`begin; select from sluice.streams where name = 'held' for update`)

  const first = streams.append(ADA, 'free', { body: text('1') })
  const [held, free] = await Promise.all([
    streams.append(ADA, 'held', { body: text('2') }).catch(codeOf),
    streams.append(ADA, 'free', { body: text('3') }),
  ])
  await first

  t.equal(held, 'stream-busy')
  t.match(free, { outcome: 'stored', tail: 2 })
  await holder.query('rollback')
  t.match(await streams.append(ADA, 'held', { body: text('4') }), { outcome: 'stored', tail: 1 })
})

t.test('closing refuses what waits, and answers what is in flight', async t => {
  const { pool, streams: maker } = await openStore(t)
  await maker.create(ADA, 's', { contentType: 'text/plain' })
  // Not a lock of the stream: an append gives up on one after two seconds, which a busy machine needs for less.
  const gate = openable()
  const reached = openable()
  const { streams } = storeOn(t, connectingAfter(pool, gate.open, reached.unlock))
  const inFlight = streams.append(ADA, 's', { body: text('1') })
  await reached.open
  const waiting = streams.append(ADA, 's', { body: text('2') }).catch(codeOf)

  const closing = streams.close()
  t.equal(await waiting, 'shutting-down')
  gate.unlock()
  await closing

  t.match(await inFlight, { outcome: 'stored', tail: 1 })
  t.equal(await streams.append(ADA, 's', { body: text('3') }).catch(codeOf), 'shutting-down')
})

function openable() {
  let unlock = () => {}
  const open = new Promise<void>(resolve => {
    unlock = resolve
  })
  return { open, unlock }
}

/** A pool whose connections are given out once the gate is open. @param reached called when somebody waits for one. */
function connectingAfter(pool: Database, gate: Promise<void>, reached: () => void): Database {
  const connectLate = async () => {
    reached()
    await gate
    return pool.connect()
  }
  return Object.assign(Object.create(pool), { connect: connectLate })
}

/** The first answer to an append does not arrive, although it is committed. */
function losingFirstAnswer(pool: Database): Database {
  let lost = false
  const connectOnce = async () => {
    const client = await pool.connect()
    if (lost) return client
    lost = true
    return {
      async query(...args: Parameters<typeof client.query>) {
        await client.query(...args)
        throw new Error('Connection terminated unexpectedly')
      },
      release: (broken?: boolean) => client.release(broken),
    }
  }
  return Object.assign(Object.create(pool), { connect: connectOnce })
}
