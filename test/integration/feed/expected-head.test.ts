import t from 'tap'
import { createPool } from '../../../src/database/pool.js'
import { as, publish, startGateway } from '../../harness/gateway.js'

t.test(
  'events are stored only after the expected head, by its identity, and once of many who expect it',
  async t => {
    const gateway = await startGateway(t)
    const send = async (head: string, key?: string) => {
      const response = await fetch(`${gateway.url}/api/events?stream=room&expected_head=${head}`, {
        method: 'POST',
        headers: {
          ...as('editor'),
          'content-type': 'application/json',
          ...(key && { 'idempotency-key': key }),
        },
        body: '[{"type":"a","data":{}},{"type":"b","data":{}}]',
      })
      return { status: response.status, body: Object(await response.json()) }
    }

    const first = await send('0', 'k1')
    const head = first.body.events[1].id
    t.equal(first.status, 201)
    t.match(await send('0'), { status: 409, body: { code: 'head-differs', head } })
    t.match(await send(`2.${head.endsWith('a') ? 'bbbbbb' : 'aaaaaa'}`), { status: 409, body: { head } })
    t.match(await send('2'), { status: 400, body: { code: 'invalid-request' } })

    const racers = await Promise.all(Array.from({ length: 12 }, () => send(head)))
    const others = await Promise.all(
      Array.from({ length: 12 }, () => publish(gateway, { type: 'c', data: {} }, { stream: 'room' })),
    )
    t.strictSame(
      racers
        .map(({ status }) => status)
        .sort()
        .slice(0, 2),
      [201, 409],
    )
    t.equal(others.flat().length, 12)

    const again = await send('0', 'k1')
    t.strictSame([again.status, again.body], [201, first.body], 'a repeated request gets its receipt')
    const next = others.flat().sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0] ?? ''
    const twins = await Promise.all([send(next, 'k2'), send(next, 'k2')])
    t.strictSame(
      twins.map(({ status }) => status),
      [201, 201],
      'also if both arrive at once',
    )
    t.strictSame(twins[0]?.body, twins[1]?.body)
    t.equal((await send(next, 'k1')).status, 422)
  },
)

t.test('SQL publishes after the expected head in its own transaction', async t => {
  const gateway = await startGateway(t)
  const [id = ''] = await publish(gateway, { type: 'a', data: {} })
  const database = createPool(gateway.databaseUrl, { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => database.end())
  const expecting = (head: string) =>
    database.query(
      `begin; select sluice.expect_head('acme', 'feed', '${head}'); select sluice.publish('acme', 'feed', 'b', '{}'); commit`,
    )

  await t.resolves(expecting(id))
  await t.rejects(expecting(id), { code: 'SL005', detail: /^2\.[a-z2-7]{6}$/ })
  await database.query('rollback')
})
