import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const made = (n: number) => ({ type: 'thing.made', data: { n } })

t.test(
  'an event id in the URL is accepted in each spelling; the last one counts, and a header wins',
  async t => {
    const gateway = await startGateway(t)
    const [first = '', second = '', third = ''] = await publish(gateway, [1, 2, 3].map(made))
    const resumed = async (query: string, headers: Readonly<Record<string, string>> = {}) => {
      const url = `${gateway.url}/api/events?${query}`
      const stream = await openStream(t, url, { headers: { ...as('viewer'), ...headers } })
      return (await stream.until(1))[0]?.id
    }

    for (const name of ['last_event_id', 'lastEventId', 'last-event-id', 'Last-Event-ID']) {
      t.equal(await resumed(`${name}=${first}`), first, name)
    }
    t.equal(await resumed(`last_event_id=${first}&from=now&lastEventId=${second}`), second)
    t.equal(await resumed(`lastEventId=${first}&last_event_id=${second}&Last-Event-ID=`), second)
    t.equal(await resumed(`lastEventId=${first}`, { 'last-event-id': third }), third)
  },
)

t.test('a stream accepts unknown query parameters, and names the ignored ones', async t => {
  const { url } = await startGateway(t)
  const headers = as('viewer')
  const query = 'utm_source=mail&types=a.*&_=17'
  const ignored = ['utm_source', '_']

  const stream = await openStream(t, `${url}/api/events?${query}`, { headers })
  const accept = { accept: 'application/x-ndjson' }
  const lines = await openStream(t, `${url}/api/events?${query}`, { headers: { ...headers, ...accept } })
  await until('a line', () => lines.text().endsWith('\n'))

  t.strictSame(JSON.parse((await stream.until(1))[0]?.data ?? '').ignored, ignored)
  t.equal(stream.response.headers['x-sluice-ignored'], 'utm_source, _')
  t.strictSame(JSON.parse(lines.text()).data.ignored, ignored)
  t.equal(lines.response.headers['x-sluice-ignored'], 'utm_source, _')
  const usual = await openStream(t, `${url}/api/events?types=a.*`, { headers })
  t.notOk('ignored' in JSON.parse((await usual.until(1))[0]?.data ?? ''))
  t.notOk('x-sluice-ignored' in usual.response.headers)
})

// Attack: a link whose parameter names write headers or frames of their own, or fill them.
t.test('the names of ignored parameters are bounded and harmless', async t => {
  const { url } = await startGateway(t)
  const names = ['a%0d%0aSet-Cookie:%20x', 'b,c', '%E2%80%A8', '__proto__', 'constructor', 'x'.repeat(5_000)]
  const query = [...names, ...Array.from({ length: 60 }, (_, n) => `n${n}`)]
    .map(name => `${name}=1`)
    .join('&')

  const stream = await openStream(t, `${url}/api/events?${query}`, { headers: as('viewer') })

  const { ignored } = JSON.parse((await stream.until(1))[0]?.data ?? '')
  const expected = ['a??Set-Cookie??x', 'b?c', '?', '__proto__', 'constructor', 'x'.repeat(64)]
  t.strictSame(ignored.slice(0, 6), expected)
  t.equal(ignored.length, 16)
  t.equal(stream.response.headers['x-sluice-ignored'], ignored.join(', '))
  t.notOk('set-cookie' in stream.response.headers)
})
