import t from 'tap'
import { releaseLeases } from '../../../src/consumers/consumer-rows.js'
import { createDatabase } from '../../harness/database.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { acknowledge, call, create, numbered, open, page } from './client.js'

const COUNT = (n: number) => Array.from({ length: n }, (_, index) => numbered(index + 1))
const dataOf = ({ body }: Awaited<ReturnType<typeof page>>): number[] =>
  body.events.map(({ data }: { data: { n: number } }) => data.n)

t.test('pages of consumers', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const first = await startGateway(t, { databaseUrl })
  const second = await startGateway(t, { databaseUrl })
  const ids = await publish(first, COUNT(6))

  t.test('each page continues after the one before, at any node, within the window', async t => {
    await create(first, 'walk', { max_in_flight: 4, ack_timeout_ms: 60_000 })

    const one = await page(first, 'walk?limit=3')
    t.match(one, {
      status: 200,
      body: { epoch: 1, cursor: /^0\./, head: ids[5], in_flight: 3 },
    })
    t.equal(one.headers.get('sluice-consumer-epoch'), '1')
    t.strictSame(dataOf(one), [1, 2, 3])
    t.match((await call(first, 'GET', 'walk')).body, {
      in_flight: 3,
      holder: { principal: 'editor-of-acme', epoch: 1 },
    })
    const two = await page(second, `walk?limit=3&epoch=1&after=${ids[2]}`)
    t.strictSame(dataOf(two), [4])
    t.match(two.body, { epoch: 1, in_flight: 4 })
    t.match((await page(second, `walk?epoch=1&after=${ids[3]}`)).body, { events: [], in_flight: 4 })

    await acknowledge(first, 'walk', ids[1], 1)
    const three = await page(first, `walk?epoch=1&after=${ids[3]}`)
    t.strictSame(dataOf(three), [5, 6])
    t.match(three.body, { cursor: ids[1], in_flight: 4 })
    await acknowledge(first, 'walk', ids[5], 1)
    t.match((await page(first, 'walk?epoch=1')).body, { events: [], cursor: ids[5], in_flight: 0 })
    t.equal((await call(first, 'GET', 'walk')).body.holder, null)
  })

  t.test(
    'what the client does not say it has got is handed out again, so it acknowledges nothing unseen',
    async t => {
      await create(first, 'lost', { ack_timeout_ms: 60_000 })
      const { body } = await page(first, 'lost?limit=2')
      // The client does not get this response, and a proxy sends the same request to another gateway.
      const request = `lost?limit=2&epoch=${body.epoch}&after=${ids[1]}`
      t.strictSame(dataOf(await page(first, request)), [3, 4])

      const repeated = await page(second, request)
      t.strictSame(dataOf(repeated), [1, 2])
      t.match(repeated.body, { in_flight: 2 })
      t.strictSame(dataOf(await page(second, `lost?epoch=${body.epoch}&limit=3`)), [1, 2, 3])
      const invented = `${Number.parseInt(ids[2] ?? '', 10)}.aaaaaa`
      t.strictSame(dataOf(await page(first, `lost?epoch=${body.epoch}&limit=1&after=${invented}`)), [1])
      t.match(await page(first, `lost?epoch=${body.epoch}&after=x`), { status: 400 })
    },
  )

  t.test('a page holds the consumer until everything on it is acknowledged', async t => {
    await create(first, 'held', { ack_timeout_ms: 60_000 })
    const { body } = await page(first, 'held?limit=2')

    t.match(await page(second, 'held'), { status: 409, body: { code: 'consumer-held', retry_after: 5 } })
    await acknowledge(second, 'held', ids[0], body.epoch)
    t.match(await page(second, 'held'), { status: 409 })
    await acknowledge(second, 'held', ids[1], body.epoch)
    const next = await page(second, 'held')
    t.strictSame(dataOf(next), [3, 4, 5, 6])
    t.match(await page(first, `held?epoch=${body.epoch}`), { status: 409, body: { code: 'consumer-lost' } })
    t.match(await acknowledge(first, 'held', ids[5], body.epoch), { status: 409 })
    t.strictSame(dataOf(await page(first, 'held?takeover=true')), [3, 4, 5, 6])
    t.match(await acknowledge(first, 'held', ids[5], next.body.epoch), { status: 409 })
  })

  t.test('what is not acknowledged in time is handed out again', async t => {
    await create(first, 'again', { ack_timeout_ms: 60_000, max_in_flight: 3 })
    const { body } = await page(first, 'again?limit=2')

    const rest = await page(first, `again?epoch=${body.epoch}&limit=2&after=${ids[1]}`)
    // Not from the beginning: on a busy machine the second page might come after it.
    await pool.query(`update sluice.consumers set ack_timeout_ms = 1000 where name = 'again'`)
    const again = await page(second, `again?epoch=${body.epoch}&limit=2&wait=20s&after=${ids[2]}`)

    t.strictSame(dataOf(rest), [3])
    t.strictSame(dataOf(again), [1, 2])
    t.match(again.body, { in_flight: 2 })
    // Timed out: any client may claim it.
    const other = await page(second, 'again?limit=1&takeover=true')
    t.strictSame(dataOf(other), [1])
  })

  t.test('it waits for the first event, and for an acknowledgement', async t => {
    await create(first, 'wait', { start: 'now', max_in_flight: 1, types: 'bell.*', ack_timeout_ms: 60_000 })
    const waiting = page(first, 'wait?wait=30s')
    await until('it is held', async () => (await call(first, 'GET', 'wait')).body.holder !== null)
    t.match(await page(second, 'wait'), { status: 409 })

    const [other, bell] = await publish(second, [
      { type: 'thing.made', data: { n: 7 } },
      { type: 'bell.rung', data: { n: 8 } },
      { type: 'bell.rung', data: { n: 9 } },
    ])
    const rung = await waiting
    t.match(rung.body, { events: [{ id: bell }], in_flight: 1 })
    const next = page(second, `wait?epoch=${rung.body.epoch}&wait=30s&after=${bell}`)
    await acknowledge(first, 'wait', other, rung.body.epoch)
    await acknowledge(first, 'wait', bell, rung.body.epoch)
    t.strictSame(dataOf(await next), [9])
  })

  t.test(
    'a page that waits starts again when another request of its client gives the consumer up',
    async t => {
      await create(first, 'given-up', { max_in_flight: 2, ack_timeout_ms: 60_000 })
      const { body } = await page(first, 'given-up')
      const waiting = page(second, `given-up?epoch=${body.epoch}&wait=30s&after=${ids[1]}`)
      const leases = new Set<string>()
      await until('it has renewed its lease while it waits', async () => {
        leases.add((await call(first, 'GET', 'given-up')).body.holder.expires_at)
        return leases.size > 3
      })

      const { rows } = await pool.query(`select id, epoch from sluice.consumers where name = 'given-up'`)
      await releaseLeases(pool, null, rows)

      t.strictSame(dataOf(await waiting), [1, 2])
    },
  )

  t.test('a client that leaves while its page waits keeps what it got before', async t => {
    const stream = 'left'
    const more = await publish(first, COUNT(2), { stream })
    await create(first, 'left', { stream, ack_timeout_ms: 60_000 })
    const rowOf = async () => (await call(second, 'GET', 'left')).body
    const leave = async (query: string) => {
      const before = (await rowOf()).holder?.expires_at
      const leaving = new AbortController()
      const left = page(first, `left?wait=30s${query}`, leaving.signal).catch(() => undefined)
      await until('it waits', async () => ![undefined, before].includes((await rowOf()).holder?.expires_at))
      leaving.abort()
      await left
      await until('it has left', () => first.app.streamSlots.holders.principal === 0)
    }
    const { body } = await page(first, 'left')
    const { holder } = await rowOf()
    const again = `&epoch=${body.epoch}&after=${more[1]}`

    await leave(again)

    const kept = await rowOf()
    t.match(kept, { in_flight: 2, holder: { epoch: body.epoch } })
    t.equal(Math.round((Date.parse(kept.holder.expires_at) - Date.parse(holder.expires_at)) / 5_000), 0)
    t.match(await page(second, 'left'), { status: 409, body: { code: 'consumer-held' } })
    const [third] = await publish(first, numbered(3), { stream })
    const next = await page(second, `left?wait=30s${again}`)
    t.strictSame(dataOf(next), [3], 'its next page continues after the one before')
    t.match(next.body, { in_flight: 3 })

    const last = `&epoch=${body.epoch}&after=${third}`
    await acknowledge(first, 'left', third, body.epoch)
    await leave(last)
    t.match(await rowOf(), { in_flight: 0, holder: null }, 'nothing is in flight: free at once')
    await leave('')
    t.match(await rowOf(), { in_flight: 0, holder: null }, 'so is the claim of a client that got nothing')
  })

  t.test(
    'lines carry the epoch in a header, and a lost cursor is 410 until the client acknowledges the head',
    async t => {
      await publish(first, COUNT(4), { stream: 'short' })
      await create(first, 'lines', { stream: 'short' })
      const headers = { ...as('editor'), accept: 'application/x-ndjson' }
      const lines = await fetch(`${first.url}/api/consumers/lines/events?limit=1`, { headers })
      t.equal(lines.headers.get('sluice-consumer-epoch'), '1')
      t.match(JSON.parse(await lines.text()), { data: { n: 1 } })

      await pool.query(
        `with short as (update sluice.streams set oldest_at = '-infinity' where name = 'short' returning id)
       update sluice.events e set at = at - interval '60 days' from short where stream_id = short.id and position <= 2`,
      )
      await pool.query(`select sluice.retain('feed', interval '30 days', 1000)`)
      const lost = await page(first, 'lines?takeover=true')

      t.match(lost, { status: 410, body: { code: 'retention' } })
      t.match((await call(first, 'GET', 'lines')).body, { cursor: /^0[.]/, in_flight: 0, holder: null })
      t.match(
        await page(second, 'lines'),
        { status: 410, body: { head: lost.body.head } },
        'until it is acknowledged',
      )
      t.match(await acknowledge(first, 'lines', lost.body.head), {
        status: 200,
        body: { lag: { events: 0 } },
      })
      t.match(await page(first, 'lines'), { status: 200, body: { events: [], cursor: lost.body.head } })
    },
  )

  t.test('a page refuses parameters of live streams, and a stream those of pages', async t => {
    t.match(await page(first, 'held?envelope=message'), { status: 400 })
    t.match(await page(first, 'held?from=now'), { status: 400 })
    t.equal((await open(t, first, 'held', '?limit=2')).response.statusCode, 400)
    t.equal((await open(t, first, 'held', `?after=${ids[0]}`)).response.statusCode, 400)
    t.match(await page(first, 'nothing'), { status: 404 })
  })
})
