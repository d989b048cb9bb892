/** Latest values over HTTP: clients that keep a value for each key, and streams whose superseded events are compacted. */
import t, { type Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import { compactionSweep } from '../../../src/log/compaction.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { patienceSignal } from '../../harness/patience.js'
import { randomFrom } from '../../harness/random.js'

interface Page {
  readonly events: readonly {
    readonly id: string
    readonly position: number
    readonly data: { id: number; n: number }
  }[]
  readonly next_cursor: string | null
  readonly head: string
}

const STREAM = 'vehicles'
/** The condition that a vehicle has not moved again. */
const FIRST = encodeURIComponent('data.n eq 1')
const moved = (id: unknown, n: number, type = 'vehicle.moved') => ({ type, data: { id, n } })

async function start(t: Test): Promise<{ gateway: Gateway; pool: Database }> {
  const gateway = await startGateway(t)
  const pool = createPool(gateway.databaseUrl, { max: 2, name: 'test', onError: () => undefined })
  t.teardown(() => pool.end())
  return { gateway, pool }
}

async function compactBy(pool: Database, key: string | null, after = 0): Promise<void> {
  const options = { compact_key: key, compact_after_seconds: after }
  await pool.query('select sluice.configure_stream($1, $2, $3)', ['acme', STREAM, JSON.stringify(options)])
}

async function sweep(pool: Database): Promise<number> {
  await pool.query(`update sluice.compactions set checked_at = '-infinity'`)
  return compactionSweep(pool).run(new AbortController().signal)
}

function get(gateway: Gateway, path: string, accept = 'application/json'): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { headers: { ...as('viewer'), accept } })
}

async function latest(gateway: Gateway, query = ''): Promise<Page> {
  const response = await get(gateway, `/api/latest?stream=${STREAM}&key=data.id${query}`)
  if (response.status !== 200) throw new Error(await response.text())
  return (await response.json()) as Page
}

const positions = ({ events }: Page) => events.map(({ position }) => position)

for (const key of [null, 'data.id']) {
  const how = key ? 'with an index' : 'without an index'

  t.test(
    `a listing has the newest event of each key, in pages that all end at the same head, ${how}`,
    async t => {
      const { gateway, pool } = await start(t)
      const ids = await publish(
        gateway,
        [moved(1, 1), moved(2, 1), moved(null, 1), moved(1, 2), moved(3, 1), moved(3, 2, 'vehicle.deleted')],
        { stream: STREAM },
      )
      await compactBy(pool, key, 3_600)

      t.strictSame(positions(await latest(gateway)), [2, 4, 6])
      t.strictSame(positions(await latest(gateway, '&deleted=vehicle.deleted')), [2, 4])
      t.strictSame(
        positions(await latest(gateway, '&types=vehicle.m*')),
        [2, 4],
        'no older event takes its place',
      )
      t.strictSame(positions(await latest(gateway, `&where=${FIRST}`)), [2], 'nor does one that matches')
      t.strictSame(positions(await latest(gateway, `&types=vehicle.d*&where=${FIRST}`)), [])

      const first = await latest(gateway, '&limit=1')
      t.match([first.events[0]?.id, first.head], [ids[1], ids[5]])
      await publish(gateway, moved(1, 3), { stream: STREAM })
      const second = await latest(gateway, `&limit=5&cursor=${first.next_cursor}`)
      t.strictSame([second.head, second.next_cursor], [ids[5], null])
      t.strictSame(positions(second), [4, 6])
      const live = await openStream(t, `${gateway.url}/api/events?stream=${STREAM}&from=${second.head}`, {
        headers: as('viewer'),
      })
      const heard = await live.until(1, 'vehicle.moved')
      t.strictSame(
        heard.map(({ data }) => JSON.parse(data)),
        [{ id: 1, n: 3 }],
      )

      await pool.query('update sluice.events set event_id = gen_random_uuid() where "position" = 6')
      const lost = await get(gateway, `/api/latest?stream=${STREAM}&key=data.id&cursor=${first.next_cursor}`)
      t.match(await lost.json(), { status: 410, code: 'history-lost' })
    },
  )

  t.test(
    `no older event takes the place of a redacted one, and no notice of it is a value, ${how}`,
    async t => {
      const { gateway, pool } = await start(t)
      const events = [moved(1, 1), moved(2, 1), moved(1, 2), moved(1, 3), moved(3, 1), moved(3, 2)]
      await publish(gateway, events, { stream: STREAM })
      await compactBy(pool, key, 3_600)
      const index = () =>
        pool.query('select sluice.index_latest(s.id, 100) from sluice.streams s where s.name = $1', [STREAM])
      const redact = (...of: number[]) =>
        pool.query(`select sluice.redact_events('acme', $1, $2, null, 'x', null, false)`, [STREAM, of])
      const seen = async () => positions(await latest(gateway))
      await index()

      const shown = [await seen()]
      const steps = [
        () => redact(4, 6),
        index,
        () => redact(1),
        () => publish(gateway, moved(1.0, 4), { stream: STREAM }),
        () => redact(10),
        index,
        () => redact(3),
        () => publish(gateway, [moved(3, 3), moved('\u0000', 1), moved(3, 4)], { stream: STREAM }),
        index,
        () => redact(15),
        () => redact(13),
        () => redact(2),
      ]
      for (const step of steps) {
        await step()
        shown.push(await seen())
      }
      await pool.query(`update sluice.streams set options = options - 'compact_key' where name = $1`, [
        STREAM,
      ])
      shown.push(await seen())
      await compactBy(pool, 'data.id', 0)
      await index()
      shown.push(await seen())
      const reasons = await get(gateway, `/api/latest?stream=${STREAM}&key=data.reason`)

      t.strictSame(shown, [
        [2, 4, 6],
        [2],
        [2],
        [2],
        [2, 10],
        [2],
        [2],
        [2],
        [2, 15],
        [2, 15],
        [2],
        [2],
        [],
        [],
        [],
      ])
      t.match(await reasons.json(), { events: [] })
      await sweep(pool)
      const { rows } = await pool.query<{ n: number }>(
        `select count(*)::int as n from sluice.events where type = 'event.redacted'`,
      )
      t.strictSame(rows, [{ n: 8 }], 'no notice is compacted')
    },
  )

  t.test(
    `a live stream starts with the newest event of each key, and continues with every event, ${how}`,
    async t => {
      const { gateway, pool } = await start(t)
      const ids = await publish(
        gateway,
        [moved(1, 1), moved(2, 1), moved(1, 2), moved(3, 1, 'vehicle.deleted')],
        { stream: STREAM },
      )
      await compactBy(pool, key, 3_600)
      const path = `/api/events?stream=${STREAM}&from=latest-by-key&key=data.id&deleted=vehicle.deleted`
      const headers = as('viewer')
      const named = await openStream(t, `${gateway.url}${path}`, { headers })
      const enveloped = await openStream(t, `${gateway.url}${path}&envelope=message`, { headers })
      const lines = await get(gateway, path, 'application/x-ndjson')
      await named.until(2, 'vehicle.moved')
      await publish(gateway, [moved(1, 3), moved(1, 4)], { stream: STREAM })

      const heard = await named.until(4, 'vehicle.moved')
      const messages = await enveloped.until(5)
      let text = ''
      for await (const chunk of lines.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk
        if (text.split('\n').length > 5) break
      }

      t.strictSame(
        heard.slice(0, 2).map(({ id }) => id),
        [ids[1], ids[2]],
      )
      t.notMatch(named.text(), /deleted/)
      const forms = [
        heard.map(({ data }) => JSON.parse(data)),
        ...[messages.map(({ data }) => data), text.trim().split('\n')].map(documents =>
          documents
            .map(document => JSON.parse(document))
            .filter(({ position }) => position !== undefined)
            .map(({ data }) => data),
        ),
      ]
      for (const form of forms)
        t.strictSame(form, [
          { id: 2, n: 1 },
          { id: 1, n: 2 },
          { id: 1, n: 3 },
          { id: 1, n: 4 },
        ])
    },
  )
}

t.test(
  'a condition on the data leaves out newest events, and older ones do not take their place',
  async t => {
    const { gateway, pool } = await start(t)
    const ids = await publish(gateway, [moved(1, 1), moved(2, 1), moved(1, 2)], { stream: STREAM })
    await compactBy(pool, 'data.id', 3_600)
    const path = `${gateway.url}/api/events?stream=${STREAM}&from=latest-by-key&key=data.id&where=${FIRST}`
    const stream = await openStream(t, path, { headers: as('viewer') })
    await stream.until(1, 'vehicle.moved')

    ids.push(...(await publish(gateway, [moved(2, 2), moved(3, 1)], { stream: STREAM })))

    t.strictSame(
      (await stream.until(2, 'vehicle.moved')).map(({ id }) => id),
      [ids[1], ids[4]],
    )
  },
)

t.test('a client that has the newest events of a quiet stream has its head as cursor', async t => {
  const { gateway, pool } = await start(t)
  const ids = await publish(gateway, [moved(1, 1), moved(2, 1), moved(null, 1)], { stream: STREAM })
  await compactBy(pool, 'data.id', 3_600)

  const stream = await openStream(
    t,
    `${gateway.url}/api/events?stream=${STREAM}&from=latest-by-key&key=data.id&cursors=named`,
    { headers: as('viewer') },
  )
  const [cursor] = await stream.until(1, 'cursor')
  t.equal(cursor?.id, ids[2])
})

t.test('compacted events are passed over by streams and pages, and refused as one event', async t => {
  const { gateway, pool } = await start(t)
  const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  const many = Array.from({ length: 900 }, (_, n) => moved(n % 3, n))
  const ids = await publish(gateway, many, { stream: STREAM })
  await compactBy(pool, 'data.id')
  t.equal(await sweep(pool), 897)
  const kept = ids.slice(897)

  const page = await get(other, `/api/events?stream=${STREAM}&limit=10`)
  const { events, next } = (await page.json()) as Page & { next: string }
  t.strictSame(
    events.map(({ id }) => id),
    kept,
  )
  t.equal(next, ids[899])
  const filtered = await get(other, `/api/events?stream=${STREAM}&limit=10&types=*`)
  t.match(await filtered.json(), { events: kept.map(id => ({ id })), next: ids[899] })

  for (const from of ['from=beginning', 'last=500', `from=${ids[10]}`, 'from=beginning&types=e*,v*']) {
    const stream = await openStream(t, `${other.url}/api/events?stream=${STREAM}&${from}`, {
      headers: as('viewer'),
    })
    const heard = await stream.until(4)
    t.strictSame(
      heard.slice(1).map(({ id }) => id),
      kept,
      from,
    )
    stream.close()
  }
  const gone = await get(other, `/api/events/${ids[0]}?stream=${STREAM}`)
  t.match(await gone.json(), { status: 410, code: 'event-compacted' })
  t.equal((await get(other, `/api/events/${kept[0]}?stream=${STREAM}`)).status, 200)

  // The end of the stream may be compacted, too.
  await publish(gateway, [moved(0, 1_000)], { stream: STREAM })
  await pool.query(`update sluice.events set type = 'event.compacted', data = '{}' where "position" = 901`)
  const third = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  const stream = await openStream(
    t,
    `${third.url}/api/events?stream=${STREAM}&from=${ids[890]}&cursors=named`,
    {
      headers: as('viewer'),
    },
  )
  t.match((await stream.until(1, 'cursor'))[0]?.id, /^901\./)
})

t.test('requests that make no sense are refused with a remedy', async t => {
  const { gateway, pool } = await start(t)
  await publish(gateway, moved(1, 1), { stream: STREAM })
  const answers: Record<string, unknown> = {}
  const paths = {
    'without a key': '/api/events?from=latest-by-key',
    'a key alone': '/api/events?key=data.id',
    'no path': '/api/latest?key=id',
    'a page': '/api/events?from=latest-by-key&key=data.id&limit=1',
    'another cursor': '/api/latest?key=data.id&cursor=bm90aGluZw',
    'no stream': '/api/latest?key=data.id&stream=nothing',
  }
  for (const [name, path] of Object.entries(paths)) {
    const accept = name === 'a page' ? 'application/json' : '*/*'
    const { status, code } = (await (await get(gateway, path, accept)).json()) as {
      status: number
      code: string
    }
    answers[name] = `${status} ${code}`
  }
  t.strictSame(answers, {
    'without a key': '400 invalid-request',
    'a key alone': '400 invalid-request',
    'no path': '400 invalid-request',
    'a page': '400 invalid-request',
    'another cursor': '400 invalid-cursor',
    'no stream': '404 not-found',
  })

  await pool.query(`
    insert into sluice.events (stream_id, position, at, event_id, type, data)
    select s.id, n, now(), gen_random_uuid(), 'a', '{}' from sluice.streams s, generate_series(2, 10002) n
     where s.name = '${STREAM}'`)
  const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  for (const path of [`/api/latest?key=data.id`, `/api/events?key=data.id&from=latest-by-key`]) {
    const answer = await get(other, `${path}&stream=${STREAM}`, '*/*')
    t.match(await answer.json(), { status: 409, code: 'latest-not-indexed' }, path)
  }
})

// The client keeps a map by key. It is cut off at random, also in the middle of the first part, and resumes with its last id.
t.test(
  'a client that keeps a map by key has the values of the log after cuts, while the stream is compacted',
  async t => {
    const { gateway, pool } = await start(t)
    const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
    const random = randomFrom(5)
    const KEYS = 700
    const batch = (n: number) =>
      Array.from({ length: 100 }, () => {
        const id = random.integer(KEYS)
        return moved(id, n, random.integer(10) === 0 ? 'vehicle.deleted' : 'vehicle.moved')
      })
    for (let n = 0; n < 30; n += 1) await publish(gateway, batch(n), { stream: STREAM })
    await compactBy(pool, 'data.id')
    await sweep(pool)

    let publishing = true
    const publisher = async () => {
      for (let n = 30; n < 70; n += 1) {
        await publish(gateway, batch(n), { stream: STREAM })
        if (n % 5 === 0) await sweep(pool)
      }
      publishing = false
    }
    const clients = ['', '&deleted=vehicle.deleted'].map(async (deleted, index) => {
      const map = new Map<number, number>()
      let lastId: string | undefined
      let cuts = 0
      const late = patienceSignal(60_000)
      for (;;) {
        const wasPublishing = publishing
        const url = `${[gateway, other][(cuts + index) % 2]?.url}/api/events?stream=${STREAM}&from=latest-by-key&key=data.id${deleted}`
        const stream = await openStream(t, url, {
          headers: { ...as('viewer'), ...(lastId !== undefined && { 'last-event-id': lastId }) },
        })
        const { rows } = await pool.query<{ head: number }>(
          `select max("position") as head from sluice.events e join sluice.streams s on s.id = e.stream_id where s.name = $1`,
          [STREAM],
        )
        const head = rows[0]?.head ?? 0
        const enough = wasPublishing ? 1 + random.integer(400) : Number.POSITIVE_INFINITY
        const heard = await stream.until(
          messages =>
            messages.length >= enough ||
            Number.parseInt(messages.at(-1)?.id ?? '0', 10) >= head ||
            late.aborted,
        )
        for (const { event, id, data } of heard.slice(0)) {
          if (id) lastId = id
          if (event === 'vehicle.deleted') map.delete(JSON.parse(data).id)
          if (event === 'vehicle.moved') map.set(JSON.parse(data).id, JSON.parse(data).n)
          if (event === 'reset') throw new Error('There was a reset.')
        }
        stream.close()
        cuts += 1
        if (!wasPublishing) return { map, cuts }
      }
    })
    await publisher()
    const results = await Promise.all(clients)
    await sweep(pool)

    const { rows } = await pool.query<{ id: number; n: number }>(`
    select distinct on (e.data->>'id') (e.data->>'id')::int as id,
           case e.type when 'vehicle.moved' then (e.data->>'n')::int end as n
      from sluice.events e join sluice.streams s on s.id = e.stream_id
     where s.name = '${STREAM}' and e.type <> 'event.compacted' order by e.data->>'id', e."position" desc`)
    const truth = new Map(rows.flatMap(({ id, n }) => (n === null ? [] : [[id, n] as const])))
    t.ok(truth.size > 100)
    for (const { map, cuts } of results) {
      t.ok(cuts > 3, `${cuts} cuts`)
      t.strictSame([...map].sort(), [...truth].sort())
    }
  },
)
