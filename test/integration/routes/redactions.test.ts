/** Redaction over HTTP, on two gateways: one has the events in its memory, and the other one redacts them. */
import t, { type Test } from 'tap'
import { createPool } from '../../../src/database/pool.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const MARKER = 'marker-7f3a'
const SECRET = { type: 'user.created', data: { name: MARKER } }
const OTHER = { type: 'thing.made', data: { n: 1 } }
const REASON = 'request 118'

for (const notify of ['on', 'off']) {
  t.test(
    `no client of any gateway gets a redacted event any more, under load, with NOTIFY ${notify}`,
    async t => {
      const { one, two, load } = await startTwo(t, notify)
      const ids = await publish(one, [...Array(299).fill(OTHER), SECRET])
      ids.push(...(await publish(one, [...Array(99).fill(OTHER), SECRET])))
      const secrets = [ids[299] ?? '', ids[399] ?? '']
      const live = await Promise.all([one, two].map(gateway => follow(t, gateway, 'now')))
      // Pages and recent frames have them now.
      t.strictSame(await catchUp(t, two, 'beginning'), 2)
      t.strictSame(await catchUp(t, two, secrets[0] ?? ''), 1)
      const stop = load()

      for (const id of secrets) t.equal((await redact(one, id)).status, 200)

      t.equal(await catchUp(t, one, 'beginning'), 0, 'the gateway that redacts')
      await until('the other gateway', async () => (await catchUp(t, two, 'beginning')) === 0)
      await stop()
      for (const gateway of [one, two]) {
        for (const from of ['beginning', ids[0] ?? '', ids[298] ?? '', ids[398] ?? ''])
          t.equal(await catchUp(t, gateway, from), 0)
        const headers = { ...as('viewer'), accept: 'application/json' }
        for (const path of ['/api/events?limit=1000', `/api/events/${secrets[0]}`]) {
          const answer = await fetch(`${gateway.url}${path}`, { headers })
          t.equal(answer.status, 200)
          t.notMatch(await answer.text(), MARKER)
        }
      }
      for (const stream of live) {
        const told = await stream.until(2, 'event.redacted')
        t.match(
          told.filter(({ event }) => event === 'event.redacted').map(({ data }) => JSON.parse(data)),
          secrets.map(id => ({ id, position: Number.parseInt(id, 10), reason: REASON })),
        )
      }
    },
  )
}

t.test('a cursor at a redacted event stays valid', async t => {
  const { one, two } = await startTwo(t, 'on')
  const [id = ''] = await publish(one, SECRET)

  await redact(one, id)

  const stream = await follow(t, two, id)
  const [first] = (await stream.until(1, 'event.redacted')).filter(({ event }) => event !== 'server.state')
  t.match(first, { event: 'event.redacted' })
})

t.test(
  'redacting twice is the same as once, and the audit log has who, what and why, but no data',
  async t => {
    const { one, pool } = await startTwo(t, 'on')
    const [id = ''] = await publish(one, SECRET)

    const first = await redact(one, id)
    const second = await redact(one, id, { reason: 'again', keep_actor: true })

    t.match(first.body, { id, position: 1, type: SECRET.type, data: { redacted: true, reason: REASON } })
    t.strictSame(second, first)
    const { rows } = await pool.query('select action, principal, details::jsonb as details from sluice.audit')
    t.strictSame(rows, [
      {
        action: 'event.redacted',
        principal: 'admin-of-acme',
        details: { last: id, first: id, reason: REASON, stream: 'feed', redacted: 1 },
      },
    ])
  },
)

t.test('a client that has an event gets 304 until the event is redacted', async t => {
  const { one } = await startTwo(t, 'on')
  const [id] = await publish(one, SECRET)
  const read = async (known: string) => {
    const headers = { ...as('viewer'), 'if-none-match': known }
    const answer = await fetch(`${one.url}/api/events/${id}`, { headers })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }

  const { headers } = await read('"none"')
  t.equal(headers.get('cache-control'), 'private, no-cache')
  const known = headers.get('etag') ?? ''
  t.match(await read(known), { status: 304, text: '' })
  await redact(one, id)

  t.match(await read(known), { status: 200, text: /"redacted":true/ })
})

t.test('only an admin redacts, and only an event that it names by its whole id', async t => {
  const { one } = await startTwo(t, 'on')
  const [id = ''] = await publish(one, SECRET)
  const [plan = ''] = await publish(one, SECRET, { stream: 'plans' })
  const refusals = [
    [redact(one, id, undefined, as('editor')), 403, 'role-too-low'],
    [redact(one, id, undefined, as('admin', 'globex')), 404, 'not-found'],
    [redact(one, '1'), 400, 'invalid-event-id'],
    [redact(one, 'x'), 400, 'invalid-event-id'],
    [
      redact(
        one,
        id.replace(/.$/, last => (last === 'a' ? 'b' : 'a')),
      ),
      404,
      'not-found',
    ],
    [redact(one, plan), 404, 'not-found'],
    [redact(one, `${id}`, {}), 400, 'invalid-request'],
    [redact(one, `${id}`, { reason: 'x'.repeat(1_001) }), 400, 'invalid-request'],
  ] as const

  for (const [answer, status, code] of refusals) t.match(await answer, { status, body: { code } })

  const headers = as('viewer')
  const stored = await (await fetch(`${one.url}/api/events/${id}`, { headers })).text()
  t.match(stored, MARKER, 'nothing has changed')
  t.equal((await redact(one, `${plan}`, undefined, undefined, '?stream=plans')).status, 200)
})

t.test('an application cannot publish what only redaction says', async t => {
  const { one, pool } = await startTwo(t, 'on')

  await t.rejects(publish(one, { type: 'event.redacted', data: {} }), { message: /400: .*reserved-type/ })
  await t.rejects(pool.query(`select sluice.publish('acme', 'feed', 'event.redacted', '{}')`), {
    code: 'SL002',
  })
})

async function startTwo(t: Test, notify: string) {
  const env = { BUS_NOTIFY: notify }
  const one = await startGateway(t, { env })
  const two = await startGateway(t, { env, databaseUrl: one.databaseUrl })
  const pool = createPool(one.databaseUrl, { max: 2, name: 'redactions test', onError: () => undefined })
  t.teardown(() => pool.end())
  return {
    one,
    two,
    pool,
    /** Publishes on both gateways until the returned function is called. */
    load() {
      let going = true
      const running = [one, two].map(async gateway => {
        while (going) await publish(gateway, Array(20).fill(OTHER))
      })
      return async () => {
        going = false
        await Promise.all(running)
      }
    },
  }
}

function follow(t: Test, { url }: Gateway, from: string): Promise<EventStream> {
  return openStream(t, `${url}/api/events?from=${from}`, { headers: as('viewer') })
}

/** How many secrets a client gets that catches up to the present head. */
async function catchUp(t: Test, gateway: Gateway, from: string): Promise<number> {
  const [last] = await publish(gateway, OTHER)
  const stream = await follow(t, gateway, from)
  await stream.until(messages => messages.some(({ id }) => id === last))
  stream.close()
  return stream.text().split(MARKER).length - 1
}

async function redact(
  { url }: Gateway,
  id = '',
  body: object = { reason: REASON },
  identity = as('admin'),
  query = '',
) {
  const answer = await fetch(`${url}/api/events/${id}/redact${query}`, {
    method: 'POST',
    headers: { ...identity, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: await answer.json() }
}
