import t, { type Test } from 'tap'
import { publishAccessChange } from '../../../../src/auth/revocations/access-change.js'
import { type RevocationInForce, Revocations } from '../../../../src/auth/revocations/revocations.js'
import { movableClock } from '../../../harness/clock.js'
import { type EventStream, openStream } from '../../../harness/event-stream.js'
import { type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { patient } from '../../../harness/patience.js'
import { randomFrom } from '../../../harness/random.js'
import { bearer, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const event = { type: 'thing.made', data: {} }
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const ALL: Pick<RevocationInForce, 'subject' | 'token_id'> = { subject: null, token_id: null }
const READ_ALL = 'sluice-revocations-in-force'
/** What is promised of all processes. */
const EVERYWHERE_MS = 5_000

for (const notify of ['on', 'off']) {
  t.test(
    `a revocation ends the streams of its subject on every gateway within 5 s, and no others, with NOTIFY ${notify}`,
    async t => {
      const { one, two } = await startTwo(t, notify)
      const eve = issued({ sub: 'eve' })
      const evil = [await follow(t, one, eve), await follow(t, two, eve)]
      const good = [
        await follow(t, one, issued({ sub: 'ada' })),
        await follow(t, two, issued({ sub: 'ada' })),
        await follow(t, two, issued({ sub: 'eve', workspace: 'globex' })),
      ]

      const { at } = await revoke(one, { subject: 'eve' })

      t.equal((await read(one, eve)).status, 401, 'here at once')
      for (const stream of evil) {
        t.ok(await stream.ended())
        t.match(stream.messages.at(-1), { event: 'auth-revoked', data: '{}' })
        t.ok(Date.now() - Date.parse(at) < patient(EVERYWHERE_MS))
      }
      for (const gateway of [one, two]) {
        const refused = await read(gateway, eve)
        t.equal(refused.status, 401)
        t.match(refused.headers.get('www-authenticate'), /error="invalid_token"/)
        t.match(await refused.json(), { code: 'token-revoked', detail: /Log in again/ })
      }
      await publish(one, event)
      await publish(one, event, { workspace: 'globex' })
      for (const stream of good) await stream.until(1, 'thing.made')
    },
  )
}

t.test('after a change of one revocation no process reads the others', async t => {
  const { one, two } = await startTwo(t, 'on')
  const reads: string[] = []
  for (const { app } of [one, two]) {
    const { query } = app.database
    app.database.query = ((...given: Parameters<typeof query>) => {
      const [statement] = given as unknown[]
      if (JSON.stringify(statement).includes(READ_ALL)) reads.push(READ_ALL)
      return query.apply(app.database, given)
    }) as typeof query
  }
  const eve = issued({ sub: 'eve' })

  const { id } = await revoke(one, { subject: 'eve' })
  await until('the other one refuses', async () => (await read(two, eve)).status === 401)
  await remove(two, id)
  await until('the first one lets in', async () => (await read(one, eve)).status === 200)
  t.same(reads, [])

  // As a gateway of the version before tells it.
  await one.app.database.query(
    `insert into sluice.revocations (workspace, subject, by) values ('acme', 'eve', 'root')`,
  )
  await publishAccessChange(one.app.database, { change: 'revocations' })
  await until('both refuse', async () => {
    return (await Promise.all([read(one, eve), read(two, eve)])).every(({ status }) => status === 401)
  })
})

t.test('after revocations are made, removed and expire, the remaining ones apply', async t => {
  const { integer, pick } = randomFrom(20)
  const name = () => pick(['a', 'b', 'c'])
  const grown = new Revocations([])
  let model: RevocationInForce[] = []

  for (let now = 0; now < 3_000; now += 1) {
    const gone = integer(5) < 2 ? model[integer(model.length)] : undefined
    if (gone) {
      grown.remove(gone)
      model = model.filter(one => one !== gone)
    } else {
      const of = pick([{ ...ALL, subject: name() }, { ...ALL, token_id: name() }, ALL])
      const expiresAt = pick([now + integer(200), Number.POSITIVE_INFINITY])
      const some = { id: `${now}`, workspace: name(), ...of, at: now, expiresAt }
      model.push(some)
      for (let told = integer(2); told >= 0; told -= 1) grown.add(some, now)
    }
    const key = name()
    const principal = {
      id: name(),
      workspace: name(),
      role: 'viewer' as const,
      expiresAt: 1e9,
      issuedAt: integer(now),
      credential: { kind: 'key', id: key } as const,
    }
    const inForce = model.filter(one => one.workspace === principal.workspace && now < one.expiresAt)
    const expected = inForce.some(
      ({ subject, token_id, at }) =>
        token_id === key ||
        (token_id === null && [null, principal.id].includes(subject) && principal.issuedAt <= at),
    )
    if (grown.concerns(principal, now) !== expected) t.fail(JSON.stringify({ now, principal, inForce }))
  }
  t.ok(model.length > 100)
})

t.test('credentials are revoked by subject, by token, or by workspace', async t => {
  const gateway = await startGateway(t)
  const old = secondsAgo(60)
  const cases: [what: object, claims: object, revoked: boolean][] = [
    [{ subject: 's1' }, { sub: 's1', iat: old }, true],
    [{ subject: 's1' }, { sub: 's2', iat: old }, false],
    [{ subject: 's1' }, { sub: 's1', iat: old, workspace: 'globex' }, false],
    [{ subject: 's1' }, later({ sub: 's1' }), false],
    [{ subject: 's1' }, { sub: 's1' }, true],
    [{ subject: 's1' }, { sub: 's1', iat: 'yesterday' }, true],
    [{ token_id: 't1' }, { sub: 's3', jti: 't1', iat: old }, true],
    [{ token_id: 't1' }, later({ sub: 's3', jti: 't1' }), true],
    [{ token_id: 't1' }, { sub: 's3', jti: 't2', iat: old }, false],
    [{ token_id: 't1' }, { sub: 't1', iat: old }, false],
    [{ token_id: 't1' }, { sub: 's3', jti: 't1', workspace: 'globex' }, false],
    [{ workspace: 'acme' }, { sub: 's4', iat: old }, true],
    [{ workspace: 'acme' }, { sub: 's4' }, true],
    [{ workspace: 'acme' }, later({ sub: 's4' }), false],
    [{ workspace: 'acme' }, { sub: 's4', iat: old, workspace: 'globex' }, false],
  ]

  for (const [what, claims, revoked] of cases) {
    const { id } = await revoke(gateway, what)
    const { status } = await read(gateway, token(claims))
    t.equal(status, revoked ? 401 : 200, JSON.stringify([what, claims]))
    await remove(gateway, id)
    t.equal((await read(gateway, token(claims))).status, 200, 'and is let in again when that is taken back')
  }
})

t.test('a token issued in the second of a revocation is refused, one of the next second is not', async t => {
  const gateway = await startGateway(t)
  const { at } = await revoke(gateway, { subject: 'eve' })
  const second = Math.floor(Date.parse(at) / SECOND_MS)

  const [same, next] = [token({ sub: 'eve', iat: second }), token({ sub: 'eve', iat: second + 1 })]

  t.equal((await read(gateway, same)).status, 401)
  t.equal((await read(gateway, token({ sub: 'eve', iat: second + 0.9 }))).status, 401)
  t.equal((await read(gateway, next)).status, 200)
})

t.test('the end of a revocation may be written with any offset', async t => {
  const gateway = await startGateway(t)

  const made = await revoke(gateway, { subject: 'eve', expires_at: '2999-01-01T00:00:00+23:59' })

  t.match(made, { expires_at: '2998-12-31T00:01:00.000Z' })
})

t.test('a revocation with an end has no effect after it', async t => {
  const gateway = await startGateway(t)
  const clock = movableClock(t)
  const eve = issued({ sub: 'eve' })
  await revoke(gateway, { subject: 'eve', expires_at: new Date(Date.now() + MINUTE_MS).toISOString() })
  t.equal((await read(gateway, eve)).status, 401)

  clock.forward(MINUTE_MS)
  await gateway.app.database.query(
    `update sluice.revocations set at = at - interval '1 minute', expires_at = expires_at - interval '1 minute'`,
  )
  await until('it is over', async () => (await read(gateway, eve)).status === 200)

  await revoke(gateway, { subject: 'somebody' })
  const { rows } = await gateway.app.database.query('select subject from sluice.revocations')
  t.strictSame(rows, [{ subject: 'somebody' }], 'and is removed when the next one is made')
})

t.test('after a revocation nothing is replayed to a client that reconnects', async t => {
  const gateway = await startGateway(t)
  const eve = issued({ sub: 'eve' })
  const stream = await follow(t, gateway, eve)
  const [id = ''] = await publish(gateway, event)
  await stream.until(1, 'thing.made')
  await revoke(gateway, { subject: 'eve' })
  await stream.ended()
  await publish(gateway, [event, event])

  const back = await openStream(t, `${gateway.url}/api/events`, {
    headers: { ...bearer(eve), 'last-event-id': id },
  })

  t.equal(back.response.statusCode, 401)
  await back.ended()
  t.strictSame(back.messages, [])
  const again = await openStream(t, `${gateway.url}/api/events`, {
    headers: { ...bearer(issued({ sub: 'eve', iat: secondsAgo(-2) })), 'last-event-id': id },
  })
  await again.until(2, 'thing.made')
})

t.test('long polls and waiting claims are ended too', async t => {
  const { one, two } = await startTwo(t)
  const polls = [one, two].flatMap(({ url }) => [
    fetch(`${url}/api/events?wait=60s`, {
      headers: { accept: 'application/json', ...bearer(issued({ sub: 'eve' })) },
    }),
    fetch(`${url}/api/jobs/claim`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...bearer(issued({ sub: 'eve', role: 'runner' })),
      },
      body: JSON.stringify({ runner: 'r1', wait_ms: 30_000 }),
    }),
  ])
  const patient = fetch(`${two.url}/api/events?wait=60s`, {
    headers: { accept: 'application/json', ...bearer(issued({ sub: 'ada' })) },
  })
  await until('they wait', () => waiting(one) === 2 && waiting(two) === 3)

  await revoke(one, { subject: 'eve' })

  for (const answer of await Promise.all(polls)) {
    t.equal(answer.status, 401)
    t.match(await answer.json(), { code: 'token-revoked' })
  }
  await until('only one waits', () => waiting(one) + waiting(two) === 1)
  await publish(one, event)
  t.match(await (await patient).json(), { events: [{ type: 'thing.made' }] })
})

function waiting({ app }: Gateway): number {
  return app.guard.watched
}

async function startTwo(t: Test, notify = process.env.BUS_NOTIFY ?? 'on') {
  const env = { BUS_NOTIFY: notify }
  const one = await startGateway(t, { env })
  return { one, two: await startGateway(t, { databaseUrl: one.databaseUrl, env }) }
}

/** A token of a minute ago. */
function issued(claims: object): string {
  return token({ iat: secondsAgo(60), ...claims })
}

/** Of a token that is issued when it is used: after the revocation, however long that took. */
function later(claims: object): object {
  return Object.defineProperty({ ...claims }, 'iat', { enumerable: true, get: () => secondsAgo(-2) })
}

function secondsAgo(seconds: number): number {
  return Math.floor(Date.now() / SECOND_MS) - seconds
}

/** As an admin whom no revocation of this file concerns. */
function admin(): { authorization: string } {
  return bearer(token({ sub: 'root', role: 'admin', iat: secondsAgo(-4) }))
}

async function revoke({ url }: Gateway, what: object): Promise<{ id: string; at: string }> {
  const response = await fetch(`${url}/api/revocations`, {
    method: 'POST',
    headers: { ...admin(), 'content-type': 'application/json' },
    body: JSON.stringify(what),
  })
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as { id: string; at: string }
}

async function remove({ url }: Gateway, id: string): Promise<void> {
  const response = await fetch(`${url}/api/revocations/${id}`, { method: 'DELETE', headers: admin() })
  if (response.status !== 204) throw new Error(`${response.status}: ${await response.text()}`)
}

function read({ url }: Gateway, credentials: string): Promise<Response> {
  return fetch(`${url}/api/server/state`, { headers: bearer(credentials) })
}

async function follow(t: Test, { url }: Gateway, credentials: string): Promise<EventStream> {
  const stream = await openStream(t, `${url}/api/events`, { headers: bearer(credentials) })
  await stream.until(1)
  return stream
}
