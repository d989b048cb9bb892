/** Appends: order, producers and closing (PROTOCOL §5.2). */
import t from 'tap'
import { ADA, dataOf, openStore, text } from './store.js'

t.test(
  'bodies become chunks in the order of their requests, and the tail is their last position',
  async t => {
    const { streams, pool } = await openStore(t)
    await streams.create(ADA, 'chat/1', { contentType: 'text/plain' })

    const outcomes = await Promise.all(
      ['a', 'b', 'c'].map(each => streams.append(ADA, 'chat/1', { body: text(each) })),
    )

    t.strictSame(
      outcomes.map(each => ('tail' in each ? each.tail : each.outcome)),
      [1, 2, 3],
    )
    t.strictSame(await dataOf(pool, 'chat/1'), ['{"text":"a"}', '{"text":"b"}', '{"text":"c"}'])
  },
)

t.test('a repeated request of a producer stores nothing, also within one transaction', async t => {
  const { streams, pool } = await openStore(t)
  await streams.create(ADA, 's', { contentType: 'text/plain' })
  const send = (seq: number, epoch = 0) =>
    streams.append(ADA, 's', { body: text(`${epoch}.${seq}`), producer: { id: 'p', epoch, seq } })

  const outcomes = await Promise.all([
    send(0),
    send(1),
    send(1),
    send(0),
    send(3),
    send(0, 1),
    send(2),
    send(5, 2),
  ])

  t.strictSame(outcomes, [
    { outcome: 'stored', tail: 1, closed: false, producer: { epoch: 0, seq: 0 } },
    { outcome: 'stored', tail: 2, closed: false, producer: { epoch: 0, seq: 1 } },
    { outcome: 'duplicate', tail: 2, closed: false, producer: { epoch: 0, seq: 1 } },
    { outcome: 'duplicate', tail: 2, closed: false, producer: { epoch: 0, seq: 1 } },
    { outcome: 'producer-gap', expected: 2, received: 3 },
    { outcome: 'stored', tail: 3, closed: false, producer: { epoch: 1, seq: 0 } },
    { outcome: 'stale-epoch', epoch: 1 },
    { outcome: 'epoch-not-at-start' },
  ])
  t.strictSame(await dataOf(pool, 's'), ['{"text":"0.0"}', '{"text":"0.1"}', '{"text":"1.0"}'])
})

t.test('the request that closes is remembered; others get the conflict', async t => {
  const { streams, ended } = await openStore(t)
  await streams.create(ADA, 's', { contentType: 'text/plain' })
  const producer = { id: 'p', epoch: 0, seq: 0 }
  const last = { body: text('end'), close: true, producer }

  const first = await streams.append(ADA, 's', last)
  const again = await streams.append(ADA, 's', last)
  const others = await Promise.all([
    streams.append(ADA, 's', { body: text('more') }),
    streams.append(ADA, 's', { close: true, producer: { ...producer, seq: 1 } }),
    streams.append(ADA, 's', { close: true }),
  ])

  t.match(first, { outcome: 'stored', tail: 1, closed: true })
  t.match(again, { outcome: 'duplicate', tail: 1, closed: true, producer: { epoch: 0, seq: 0 } })
  t.strictSame(
    others.map(({ outcome }) => outcome),
    ['closed', 'closed', 'stored'],
  )
  t.equal(ended.length, 1)
})

t.test('Stream-Seq must grow, in the order of bytes; a content type must be that of the stream', async t => {
  const { streams } = await openStore(t)
  await streams.create(ADA, 's', { contentType: 'text/plain; charset=utf-8' })
  const send = async (seq: string, type = 'TEXT/plain') =>
    (await streams.append(ADA, 's', { body: text('1', type), seq })).outcome

  t.equal(await send('2'), 'stored')
  t.equal(await send('10'), 'seq-not-greater')
  t.equal(await send('2'), 'seq-not-greater')
  t.equal(await send('3', 'application/json'), 'content-type-differs')
  t.equal(await send('a'), 'stored')
  t.equal(await send('B'), 'seq-not-greater')
})

t.test('a stream that does not exist, has expired or was deleted takes nothing', async t => {
  const { streams } = await openStore(t)
  await streams.create(ADA, 'expired', { contentType: 'text/plain', ttl: '0' })
  await streams.create(ADA, 'source', { contentType: 'text/plain' })
  await streams.create(ADA, 'fork', { fork: { from: 'source' } })
  await streams.remove(ADA, 'source', { ofAll: false })

  for (const [name, outcome] of Object.entries({
    none: 'not-found',
    expired: 'not-found',
    source: 'gone',
    feed: 'owned',
  })) {
    t.equal((await streams.append(ADA, name, { body: text('x') })).outcome, outcome, name)
  }
})
