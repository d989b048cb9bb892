import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { movableClock } from '../../../harness/clock.js'
import { type EventStream, openStream } from '../../../harness/event-stream.js'
import { type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { bearer, secondsFromNow, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const event = { type: 'thing.made', data: {} }
/** How long credentials last whose end a test puts its clock forward to. */
const SHORT_S = 600

t.test('a stream goes on with newer credentials, whichever gateway receives them', async t => {
  const clock = movableClock(t)
  const { one, two } = await startTwo(t)
  const ends = secondsFromNow(SHORT_S)
  const streams = [await follow(t, one, { exp: ends }), await follow(t, two, { exp: ends })]
  const unrenewed = [await follow(t, one, { exp: ends }), await follow(t, two, { exp: ends })]
  const later = secondsFromNow(3_600)

  for (const stream of streams) {
    const renewed = await renew(one, connectionOf(stream), { exp: later })
    t.equal(renewed.status, 202)
    t.strictSame(await renewed.json(), { expires_at: isoOf(later) })
  }

  for (const stream of streams) {
    const [told] = await stream.until(1, 'auth-renewed')
    const { id } = stream.messages[0] ?? {}
    t.type(id, 'string', 'the cursor, which the first message told')
    t.strictSame(told, { id, event: 'auth-renewed', data: `{"expires_at":"${isoOf(later)}"}` })
  }
  clock.forward(SHORT_S * 1_000)
  for (const stream of unrenewed) t.ok(await stream.ended(), 'the first credentials have ended')
  await publish(one, event)
  for (const stream of streams) {
    await stream.until(1, 'thing.made')
    t.equal(stream.messages.filter(({ event }) => event === 'auth-renewed').length, 1, 'told once')
  }
})

t.test('credentials that do not match change nothing, and every answer is the same', async t => {
  const clock = movableClock(t)
  const { one, two } = await startTwo(t)
  const ends = secondsFromNow(SHORT_S)
  const streams = [await follow(t, one, { exp: ends }), await follow(t, two, { exp: ends })]
  const later = secondsFromNow(3_600)
  const answers = new Set<string>()

  for (const stream of streams) {
    for (const claims of [
      { sub: 'eve', exp: later },
      { workspace: 'globex', exp: later },
      { exp: later, role: 'admin', sub: 'root' },
    ]) {
      answers.add(await textOf(await renew(one, connectionOf(stream), claims)))
    }
    t.equal((await renew(one, connectionOf(stream), { exp: ends - 1 })).status, 202)
    t.equal((await renew(one, connectionOf(stream), { exp: later, role: 'runner' })).status, 403)
    t.equal((await renew(one, connectionOf(stream), { exp: secondsFromNow(-60) })).status, 401)
  }
  answers.add(await textOf(await renew(one, randomUUID(), { exp: later })))
  t.equal((await renew(one, 'nonsense', { exp: later })).status, 400)

  t.equal(answers.size, 1, [...answers].join())
  clock.forward(SHORT_S * 1_000)
  for (const stream of streams) {
    t.ok(await stream.ended())
    t.match(stream.messages.at(-1), { event: 'auth-expired', data: '{}' })
    t.notOk(stream.messages.some(({ event }) => event === 'auth-renewed'))
  }
})

t.test('only the first announcement of an open stream has its connection id', async t => {
  const gateway = await startGateway(t)
  const streams = await Promise.all([1, 2].map(() => follow(t, gateway, {})))
  const lines = await fetch(`${gateway.url}/api/events`, {
    headers: { accept: 'application/x-ndjson', ...bearer(token()) },
  })
  const first = new TextDecoder().decode((await lines.body?.getReader().read())?.value)

  gateway.app.hub.announce('degraded')

  const names = [...streams.map(connectionOf), JSON.parse(first).data.connection]
  t.equal(new Set(names).size, 3)
  for (const name of names) t.match(name, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  for (const stream of streams) {
    const states = await stream.until(2, 'server.state')
    t.equal(states[1]?.data, '{"mode":"degraded"}')
  }
})

t.test('a renewal is accepted in maintenance too', async t => {
  const gateway = await startGateway(t)
  const stream = await follow(t, gateway, { exp: secondsFromNow(60) })
  await gateway.app.database.query(
    `select sluice.append('$system', 'server', 'server.mode', '{"mode":"maintenance"}')`,
  )
  gateway.app.tailer.wake('all')
  await until('maintenance', () => gateway.app.serverState.mode === 'maintenance')

  const { status } = await renew(gateway, connectionOf(stream), { exp: secondsFromNow(120) })

  t.equal(status, 202)
  await stream.until(1, 'auth-renewed')
})

t.test('a revocation ends the stream, whether the renewal or the revocation comes first', async t => {
  const { one, two } = await startTwo(t)
  const old = { iat: secondsFromNow(-60), exp: secondsFromNow(60) }
  const newer = { iat: secondsFromNow(-30), exp: secondsFromNow(600) }

  for (let round = 0; round < 10; round += 1) {
    const sub = `eve-${round}`
    const streams = [await follow(t, one, { sub, ...old }), await follow(t, two, { sub, ...old })]
    const connections = streams.map(connectionOf)
    await Promise.all([
      ...connections.map(connection => renew(two, connection, { sub, ...newer })),
      revoke(one, { subject: sub }),
      ...connections.map(connection => renew(one, connection, { sub, ...newer })),
    ])

    for (const stream of streams) {
      t.ok(await stream.ended())
      t.match(stream.messages.at(-1), { event: 'auth-revoked' })
    }
  }
})

t.test('a stream renewed with a token from after the revocation stays open', async t => {
  const clock = movableClock(t)
  const { one, two } = await startTwo(t)
  const old = { iat: secondsFromNow(-60), exp: secondsFromNow(3_600) }
  const stream = await follow(t, two, old)
  const other = await follow(t, two, old)
  // The database, whose clock gives the revocation its time, does not follow.
  clock.forward(SHORT_S * 1_000)
  await renew(one, connectionOf(stream), { iat: secondsFromNow(0), exp: secondsFromNow(7_200) })
  await stream.until(1, 'auth-renewed')

  await revoke(one, { subject: 'ada' })

  t.ok(await other.ended())
  await publish(one, event)
  await stream.until(1, 'thing.made')
})

async function startTwo(t: Test) {
  const one = await startGateway(t)
  return { one, two: await startGateway(t, { databaseUrl: one.databaseUrl }) }
}

async function follow(t: Test, { url }: Gateway, claims: object): Promise<EventStream> {
  const stream = await openStream(t, `${url}/api/events`, { headers: bearer(token(claims)) })
  await stream.until(1)
  return stream
}

function connectionOf({ messages }: EventStream): string {
  return JSON.parse(messages[0]?.data ?? '{}').connection
}

function renew({ url }: Gateway, connection: string, claims: object): Promise<Response> {
  return fetch(`${url}/api/streams/${connection}/token`, { method: 'POST', headers: bearer(token(claims)) })
}

async function revoke({ url }: Gateway, what: object): Promise<void> {
  const root = bearer(token({ sub: 'root', role: 'admin' }))
  const headers = { ...root, 'content-type': 'application/json' }
  const body = JSON.stringify(what)
  const { status } = await fetch(`${url}/api/revocations`, { method: 'POST', headers, body })
  if (status !== 201) throw new Error(`${status}`)
}

function isoOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString()
}

async function textOf(response: Response): Promise<string> {
  return `${response.status} ${await response.text()}`
}
