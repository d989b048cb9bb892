/** Forks: what they copy, what they inherit, and how long a deleted source stays (PROTOCOL §4.2). */
import t from 'tap'
import type { CreateOutcome, ForkRequest } from '../../../src/durable-streams/durable-stream.js'
import type { Position } from '../../../src/log/event.js'
import { ADA, dataOf, openStore, text } from './store.js'

const at = (position: number) => position as Position
const headOf = (outcome: CreateOutcome) =>
  'stream' in outcome ? outcome.stream.head.position : outcome.outcome

t.test(
  'a fork has the events of its source up to the offset, at the same positions, with other ids',
  async t => {
    const { streams, pool } = await openStore(t)
    await streams.create(ADA, 'source', {
      contentType: 'application/json',
      body: Buffer.from('[1,2.50,{"a":3}]'),
    })

    const fork = await streams.create(ADA, 'fork', {
      fork: { from: 'source', offset: at(2) },
      body: Buffer.from('"new"'),
    })
    await streams.append(ADA, 'source', { body: text('4', 'application/json') })

    t.match(fork, { outcome: 'created', stream: { contentType: 'application/json', forkedFrom: 'source' } })
    t.equal(headOf(fork), 3)
    t.strictSame(await dataOf(pool, 'fork'), ['{"json":1}', '{"json":2.50}', '{"json":"new"}'])
    const { rows } = await pool.query('select from sluice.events group by event_id having count(*) > 1')
    t.equal(rows.length, 0)
  },
)

t.test('a sub-offset goes into messages, and within a character', async t => {
  const { streams, pool } = await openStore(t)
  await streams.create(ADA, 'text', { contentType: 'text/plain', body: Buffer.from('héllo') })
  await streams.append(ADA, 'text', { body: text('world') })
  await streams.create(ADA, 'json', { contentType: 'application/json', body: Buffer.from('[1,2,3]') })
  const fork = async (name: string, request: ForkRequest) =>
    headOf(await streams.create(ADA, name, { fork: request }))

  t.equal(await fork('t2', { from: 'text', offset: at(0), subOffset: 2 }), 1)
  t.equal(await fork('t8', { from: 'text', offset: at(0), subOffset: 8 }), 2)
  t.equal(await fork('t11', { from: 'text', offset: at(0), subOffset: 11 }), 2)
  t.equal(await fork('t12', { from: 'text', offset: at(0), subOffset: 12 }), 'sub-offset-beyond')
  t.equal(await fork('j2', { from: 'json', offset: at(0), subOffset: 2 }), 2)
  t.equal(await fork('j3', { from: 'json', offset: at(1), subOffset: 3 }), 'sub-offset-beyond')

  t.strictSame(await dataOf(pool, 't2'), ['{"base64":"aMM="}'])
  t.strictSame(await dataOf(pool, 't8'), ['{"text":"héllo"}', '{"text":"wo"}'])
  t.strictSame(await dataOf(pool, 'j2'), ['{"json":1}', '{"json":2}'])
})

t.test('a fork is refused with its reason', async t => {
  const { streams } = await openStore(t)
  await streams.create(ADA, 'source', { contentType: 'text/plain', body: Buffer.from('x') })
  await streams.create(ADA, 'deleted', { contentType: 'text/plain' })
  await streams.create(ADA, 'fork', { fork: { from: 'deleted' } })
  await streams.remove(ADA, 'deleted', { ofAll: false })
  const refused = async (from: string, offset?: number, contentType?: string) =>
    (
      await streams.create(ADA, 'new', {
        contentType,
        fork: { from, offset: offset === undefined ? undefined : at(offset) },
      })
    ).outcome

  t.equal(await refused('none'), 'source-not-found')
  t.equal(await refused('deleted'), 'source-gone')
  t.equal(await refused('source', 2), 'offset-beyond-head')
  t.equal(await refused('source', 1, 'application/json'), 'source-type-differs')
})

t.test('a repeated PUT finds what it asked for, and a different one does not', async t => {
  const { streams } = await openStore(t)
  const put = async (more: object, name = 'fork') => {
    const outcome = await streams.create(ADA, name, { fork: { from: 'source' }, ...more })
    return outcome.outcome === 'differs' ? outcome.what : outcome.outcome
  }
  await streams.create(ADA, 'source', { contentType: 'text/plain', ttl: '3600', body: Buffer.from('x') })

  t.equal(await put({}), 'created')
  t.equal(await put({}), 'exists')
  t.equal(await put({ ttl: '3600' }), 'exists')
  t.equal(await put({ ttl: '7200' }), 'expiry')
  t.equal(await put({ contentType: 'TEXT/PLAIN' }), 'exists')
  t.equal(await put({ contentType: 'text/html' }), 'content-type')
  t.equal(await put({ closed: true }), 'closed')
  t.equal(await put({ fork: { from: 'source', offset: at(1) } }), 'fork')
  t.equal(await put({ fork: undefined, contentType: 'text/plain', ttl: '3600' }), 'fork')
  t.equal(await put({ fork: undefined, contentType: 'text/plain', ttl: '3600' }, 'source'), 'exists')
})

t.test('a deleted source stays gone until its last fork is deleted, up the whole chain', async t => {
  const { streams } = await openStore(t)
  await streams.create(ADA, 'a', { contentType: 'text/plain', body: Buffer.from('x') })
  await streams.create(ADA, 'b', { fork: { from: 'a' } })
  await streams.create(ADA, 'c', { fork: { from: 'b' } })
  await streams.create(ADA, 'd', { fork: { from: 'a' } })
  const all = () =>
    Promise.all(
      ['a', 'b', 'c', 'd'].map(async name => {
        const found = await streams.find(ADA, name, { touch: false })
        return typeof found === 'object' ? 'there' : (found ?? 'none')
      }),
    )

  t.equal(await streams.remove(ADA, 'a', { ofAll: false }), 'removed')
  t.equal(await streams.remove(ADA, 'b', { ofAll: false }), 'removed')
  t.strictSame(await all(), ['gone', 'gone', 'there', 'there'])
  t.equal(await streams.remove(ADA, 'a', { ofAll: false }), 'gone')
  t.equal((await streams.create(ADA, 'a', { contentType: 'text/plain' })).outcome, 'gone')
  t.equal(await streams.remove(ADA, 'c', { ofAll: false }), 'removed')
  t.strictSame(await all(), ['gone', 'none', 'none', 'there'])
  t.equal(await streams.remove(ADA, 'd', { ofAll: false }), 'removed')
  t.strictSame(await all(), ['none', 'none', 'none', 'none'])
  t.equal((await streams.create(ADA, 'a', { contentType: 'text/plain' })).outcome, 'created')
})
