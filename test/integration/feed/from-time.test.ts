import t from 'tap'
import { createPool } from '../../../src/database/pool.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'

const START = Date.UTC(2026, 0, 1)
const COUNT = 137

t.test(
  'a time starts with the first event that is not older, on streams and pages, in every form',
  async t => {
    const gateway = await startGateway(t)
    const events = Array.from({ length: COUNT }, (_, n) => ({ type: 'a', data: { n } }))
    await publish(gateway, events)
    const database = createPool(gateway.databaseUrl, { max: 1, name: 'test', onError: () => undefined })
    t.teardown(() => database.end())
    // Three events share each time; half a millisecond is behind every second one.
    await database.query(
      `update sluice.events set at = $1::timestamptz + ("position" - 1) / 3 * interval '1 s' + ("position" - 1) / 3 % 2 * interval '500 us'`,
      [new Date(START)],
    )

    const wrong: unknown[] = []
    for (let third = 0; third * 3 < COUNT; third += 1) {
      for (const [offset, expected] of [
        [0, third * 3 + 1],
        [1, third * 3 + 4],
      ] as const) {
        const from = new Date(START + third * 1_000 + offset).toISOString()
        const page = await pageOf(gateway.url, `from=${from}&limit=1`)
        const first = page.events[0]?.position ?? COUNT + 1
        if (first !== Math.min(expected, COUNT + 1)) wrong.push({ from, first, expected })
      }
    }
    t.strictSame(wrong, [])

    for (const accept of ['text/event-stream', 'application/x-ndjson']) {
      const headers = { ...as('viewer'), accept }
      const from = `from=${encodeURIComponent('2026-01-01T01:00:02+01:00')}`
      const stream = await openStream(t, `${gateway.url}/api/events?${from}`, { headers })
      while (!stream.text().includes('"n":136'))
        await new Promise(resolve => stream.response.once('data', resolve))
      t.match(stream.text(), '"n":6')
      t.notMatch(stream.text(), /"n":5\D/, accept)
    }
    t.strictSame((await pageOf(gateway.url, 'from=2020-01-01T00:00:00Z&limit=1')).events[0]?.position, 1)
    t.strictSame((await pageOf(gateway.url, 'from=2099-01-01T00:00:00Z')).events, [])
  },
)

t.test('a time before the base is the beginning', async t => {
  const gateway = await startGateway(t)
  await publish(
    gateway,
    [1, 2, 3].map(n => ({ type: 'a', data: { n } })),
  )
  const database = createPool(gateway.databaseUrl, { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => database.end())
  await database.query(`select sluice.configure_stream('acme', 'feed', '{"max_events":1}')`)
  await database.query(`select sluice.retain_own(null, 100, '', '')`)

  const page = await pageOf(gateway.url, 'from=2020-01-01T00:00:00Z')

  t.strictSame(
    page.events.map(({ position }: { position: number }) => position),
    [3],
  )
})

t.test('a text that is no time is refused with what is wrong', async t => {
  const { url } = await startGateway(t)
  const refused = []
  for (const from of [
    '2026-01-01T00:00:00+01:00',
    '2026-02-30T00:00:00Z',
    '2026-01-01',
    '2026-01-01T00:00:60Z',
  ])
    refused.push(await pageOf(url, `from=${from}`))
  refused.push(await pageOf(url, 'from=2026-01-01T00:00:00Z&after=0'))

  t.strictSame(new Set(refused.map(({ code }) => code)), new Set(['invalid-request']))
  t.match(refused[0].detail, '`+` is written `%2B`')
})

async function pageOf(url: string, query: string) {
  const headers = { ...as('viewer'), accept: 'application/json' }
  return Object(await (await fetch(`${url}/api/events?${query}`, { headers })).json())
}
