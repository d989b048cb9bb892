/** TTL and absolute expiry (PROTOCOL §5.1): a use moves the first and not the second, and what has expired is gone at once. */
import t from 'tap'
import { Expiry } from '../../../src/durable-streams/expiry.js'
import type { StreamId } from '../../../src/log/event.js'
import { silent } from '../../harness/hub.js'
import { ADA, type Fixture, openStore, text } from './store.js'

/** Moves the expiry of a stream by seconds, as if time had passed. */
const age = ({ pool }: Fixture, name: string, seconds: number) =>
  pool.query(
    `update sluice.durable_streams set expires_at = expires_at - $2 * interval '1 s' where name = $1`,
    [name, seconds],
  )

/** When it expires, in seconds since 1970 by the clock of the server, and that clock. */
const expiryOf = async ({ pool }: Fixture, name: string) => {
  const { rows } = await pool.query<{ at: number; now: number }>(
    `select extract(epoch from expires_at)::float8 as at, extract(epoch from clock_timestamp())::float8 as now
      from sluice.durable_streams where name = $1`,
    [name],
  )
  return rows[0] ?? { at: 0, now: 0 }
}

t.test(
  'a use within a tenth of the TTL is not written, and a later one keeps the stream for all of it',
  async t => {
    const fixture = await openStore(t)
    const { streams } = fixture
    await streams.create(ADA, 's', { contentType: 'text/plain', ttl: '1000' })
    const uses = {
      find: () => streams.find(ADA, 's', { touch: true }),
      append: () => streams.append(ADA, 's', { body: text('x') }),
      close: () => streams.append(ADA, 's', { close: true }),
    }

    for (const [name, use] of Object.entries(uses)) {
      await age(fixture, 's', 90)
      const before = await expiryOf(fixture, 's')
      await streams.find(ADA, 's', { touch: true })
      t.equal((await expiryOf(fixture, 's')).at, before.at, name)

      await age(fixture, 's', 30)
      const { now: from } = await expiryOf(fixture, 's')
      await use()
      const after = await expiryOf(fixture, 's')
      t.ok(after.at >= from + 1_100 && after.at <= after.now + 1_100, name)
    }
    await age(fixture, 's', 500)
    const before = await expiryOf(fixture, 's')
    await streams.find(ADA, 's', { touch: false })
    t.equal((await expiryOf(fixture, 's')).at, before.at)
  },
)

t.test('an absolute expiry is not moved', async t => {
  const fixture = await openStore(t)
  const at = new Date(Date.now() + 100_000)
  await fixture.streams.create(ADA, 's', {
    contentType: 'text/plain',
    expires: { text: at.toISOString(), at },
  })

  await fixture.streams.append(ADA, 's', { body: text('x') })
  await fixture.streams.find(ADA, 's', { touch: true })

  t.equal(Math.round(1_000 * (await expiryOf(fixture, 's')).at), at.getTime())
})

t.test('an expired stream is not found, cannot be used, and gives its name to a new one', async t => {
  const fixture = await openStore(t)
  const { streams, pool, ended } = fixture
  await streams.create(ADA, 's', { contentType: 'text/plain', ttl: '10', body: Buffer.from('old') })
  await age(fixture, 's', 12)

  t.equal(await streams.find(ADA, 's', { touch: true }), undefined)
  t.equal((await streams.append(ADA, 's', { body: text('x') })).outcome, 'not-found')
  t.equal((await streams.create(ADA, 'fork', { fork: { from: 's' } })).outcome, 'source-not-found')
  const anew = await streams.create(ADA, 's', { contentType: 'application/json' })

  t.match(anew, { outcome: 'created', stream: { contentType: 'application/json', head: { position: 0 } } })
  t.equal(ended.length, 1)
  t.equal((await pool.query('select from sluice.events')).rowCount, 0)
})

t.test(
  'the loop deletes what has expired, keeps what is followed, and a source stays gone while its fork lives',
  async t => {
    const fixture = await openStore(t)
    const { streams, pool } = fixture
    for (const name of ['followed', 'idle', 'source'])
      await streams.create(ADA, name, { contentType: 'text/plain', ttl: '1000' })
    await streams.create(ADA, 'fork', { ttl: '99999', fork: { from: 'source' } })
    const found = await streams.find(ADA, 'followed', { touch: false })
    const followed: StreamId[] = typeof found === 'object' ? [found.streamId] : []
    const ended: StreamId[] = []
    const expiry = new Expiry({
      database: pool,
      logger: silent,
      followed: () => followed,
      onEnded: ids => ended.push(...ids),
    })
    t.teardown(() => expiry.close())

    for (const name of ['followed', 'idle', 'source']) await age(fixture, name, 1_050)
    await expiry.run()
    for (const name of ['followed', 'idle', 'source']) await age(fixture, name, 100)
    await expiry.run()

    const names = await pool.query<{ name: string }>('select name from sluice.streams order by name')
    t.strictSame(
      names.rows.map(({ name }) => name),
      ['followed', 'fork'],
    )
    t.equal(ended.length, 2)
    t.equal(expiry.removed, 2)
    t.equal(await streams.find(ADA, 'source', { touch: false }), 'gone')
  },
)
