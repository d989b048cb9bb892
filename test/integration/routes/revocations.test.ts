import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { type Gateway, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'

const UNKNOWN = '0e2f7a53-8c1d-4b6e-9f3a-5d7c2b1e4a60'

t.test('a revocation is made, listed and removed', async t => {
  const gateway = await startGateway(t)
  const expires_at = new Date(Date.now() + 60_000).toISOString()

  const created = await send(gateway, 'POST', '', { subject: 'eve', reason: 'lost her laptop', expires_at })
  const made = (await created.json()) as { id: string; at: string }
  const other = (await (await send(gateway, 'POST', '', { token_id: 't1' })).json()) as { id: string }
  const listed = await send(gateway, 'GET', '')
  const removed = await send(gateway, 'DELETE', `/${made.id}`)

  t.equal(created.status, 201)
  t.equal(created.headers.get('location'), `/api/revocations/${made.id}`)
  t.strictSame(made, {
    id: made.id,
    subject: 'eve',
    token_id: null,
    workspace: 'acme',
    at: made.at,
    by: 'root',
    reason: 'lost her laptop',
    expires_at,
  })
  t.match(await listed.json(), { revocations: [{ id: other.id, token_id: 't1' }, made], next_cursor: null })
  t.equal(removed.status, 204)
  t.match(await (await send(gateway, 'GET', '')).json(), { revocations: [{ id: other.id }] })
})

t.test(
  'a revocation names exactly one subject, token or workspace, and only in one’s own workspace',
  async t => {
    const gateway = await startGateway(t)
    const cases: [body: object, status: number][] = [
      [{}, 400],
      [{ reason: 'none' }, 400],
      [{ subject: 'a', token_id: 'b' }, 400],
      [{ subject: 'a', workspace: 'acme' }, 400],
      [{ subject: '' }, 400],
      [{ subject: 'a\u0000' }, 400],
      [{ subject: 7 }, 400],
      [{ subject: 'a', colour: 'red' }, 400],
      [{ subject: 'a', reason: 'x'.repeat(1_001) }, 400],
      [{ subject: 'a', expires_at: 'tomorrow' }, 400],
      [{ subject: 'a', expires_at: '2020-01-01T00:00:00Z' }, 400],
      [{ workspace: 'globex' }, 404],
      [{ workspace: 'nowhere' }, 404],
      [{ workspace: '$system' }, 404],
    ]

    for (const [body, status] of cases) {
      const refused = await send(gateway, 'POST', '', body)
      t.equal(refused.status, status, JSON.stringify(body).slice(0, 60))
    }

    t.match(await (await send(gateway, 'GET', '')).json(), { revocations: [] })
    const foreign = await problemOf(gateway, { workspace: 'globex' })
    t.strictSame(foreign, await problemOf(gateway, { workspace: 'nowhere' }), 'whether it exists is not told')
  },
)

t.test('a workspace has at most 10,000 revocations, and can always be revoked as a whole', async t => {
  const { url, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl: url })
  await pool.query(
    `insert into sluice.revocations (workspace, subject, by) select 'acme', 'user-' || n, 'root' from generate_series(1, 9999) n`,
  )

  const statuses: number[] = []
  for (const body of [{ subject: 'last' }, { subject: 'one more' }, { token_id: 't1' }]) {
    statuses.push((await send(gateway, 'POST', '', body)).status)
  }
  const whole = await send(gateway, 'POST', '', { workspace: 'acme' })

  t.same(statuses, [201, 409, 409])
  t.equal(whole.status, 201)
})

t.test('only an admin can revoke, and an admin of another workspace finds nothing', async t => {
  const gateway = await startGateway(t)
  const { id } = (await (await send(gateway, 'POST', '', { subject: 'eve' })).json()) as { id: string }

  for (const role of ['viewer', 'editor', 'runner']) {
    for (const [method, path] of [
      ['GET', ''],
      ['POST', ''],
      ['DELETE', `/${id}`],
    ] as const) {
      const body = method === 'POST' ? { subject: 'a' } : undefined
      t.equal((await send(gateway, method, path, body, { role })).status, 403)
    }
  }
  const globex = { workspace: 'globex' }
  const foreign = await send(gateway, 'DELETE', `/${id}`, undefined, globex)
  const unknown = await send(gateway, 'DELETE', `/${UNKNOWN}`, undefined, globex)

  t.strictSame([foreign.status, unknown.status], [404, 404])
  const [one, two] = [await foreign.json(), await unknown.json()] as { detail: string }[]
  t.equal(one?.detail, two?.detail)
  t.match(await (await send(gateway, 'GET', '', undefined, globex)).json(), { revocations: [] })
  t.match(await (await send(gateway, 'GET', '')).json(), { revocations: [{ id }] })
})

t.test('long lists have pages, the newest first', async t => {
  const gateway = await startGateway(t)
  for (let n = 1; n <= 5; n += 1) await send(gateway, 'POST', '', { subject: `s${n}` })
  const seen: string[] = []

  let cursor: string | null = ''
  while (cursor !== null) {
    const query: string = cursor === '' ? '?limit=2' : `?limit=2&cursor=${cursor}`
    const page = (await (await send(gateway, 'GET', query)).json()) as {
      revocations: { subject: string }[]
      next_cursor: string | null
    }
    t.ok(page.revocations.length <= 2)
    seen.push(...page.revocations.map(({ subject }) => subject))
    cursor = page.next_cursor
  }

  t.strictSame(seen, ['s5', 's4', 's3', 's2', 's1'])
  const refused = await send(gateway, 'GET', '?cursor=nonsense')
  t.match(await refused.json(), { status: 400, code: 'invalid-cursor' })
})

t.test('making and removing a revocation is on record with its admin, and notifies all gateways', async t => {
  const gateway = await startGateway(t)
  const { id } = (await (await send(gateway, 'POST', '', { subject: 'eve', reason: 'left' })).json()) as {
    id: string
  }
  await send(gateway, 'DELETE', `/${id}`)
  await send(gateway, 'DELETE', `/${UNKNOWN}`)

  const { rows: audit } = await gateway.app.database.query(
    `select action, workspace, principal, details->>'revocation' as id, details->>'subject' as subject
       from sluice.audit where action like 'revocation.%' order by id`,
  )
  const { rows: told } = await gateway.app.database.query(
    `select e.data from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = '$system' and s.name = 'access'`,
  )

  const act = { workspace: 'acme', principal: 'root', id, subject: 'eve' }
  t.strictSame(audit, [
    { action: 'revocation.created', ...act },
    { action: 'revocation.removed', ...act },
  ])
  const concerned = { id, workspace: 'acme', subject: 'eve', token_id: null }
  t.match(
    told.map(({ data }) => JSON.parse(data)),
    [
      { change: 'revocations', made: { ...concerned, at: Number, expiresAt: null } },
      { change: 'revocations', removed: concerned },
    ],
  )
})

t.test('a change that cannot be put on record is not made', async t => {
  const gateway = await startGateway(t)
  await gateway.app.database.query(
    `alter table sluice.audit add constraint no_revocations check (action not like 'revocation.%')`,
  )

  const refused = await send(gateway, 'POST', '', { subject: 'eve' })

  t.equal(refused.status, 500)
  t.match(await (await send(gateway, 'GET', '')).json(), { revocations: [] })
  t.equal((await send(gateway, 'GET', '', undefined, { sub: 'eve' })).status, 200)
})

t.test('in maintenance credentials can be revoked', async t => {
  const gateway = await startGateway(t)
  await fetch(`${gateway.url}/api/server/state`, {
    method: 'PUT',
    headers: { ...as(), 'content-type': 'application/json' },
    body: '{"mode":"maintenance"}',
  })

  t.equal((await send(gateway, 'POST', '', { subject: 'eve' })).status, 201)
})

/** An admin of acme unless told otherwise, whom no revocation here concerns. */
function as(claims: object = {}): { authorization: string } {
  return bearer(token({ sub: 'root', role: 'admin', iat: Math.floor(Date.now() / 1_000) + 4, ...claims }))
}

function send(
  { url }: Gateway,
  method: string,
  path: string,
  body?: object,
  claims?: object,
): Promise<Response> {
  return fetch(`${url}/api/revocations${path}`, {
    method,
    headers: { ...as(claims), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
}

async function problemOf(gateway: Gateway, body: object): Promise<object> {
  const { request_id, ...problem } = (await (await send(gateway, 'POST', '', body)).json()) as {
    request_id: string
  }
  return problem
}
