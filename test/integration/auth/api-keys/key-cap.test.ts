import t from 'tap'
import { MAX_KEYS, MORE_FOR_ROTATIONS } from '../../../../src/auth/api-keys/api-key.js'
import { as, type Gateway, startGateway } from '../../../harness/gateway.js'

// Attack: an admin's token that got out makes keys without end, so that one of them is overlooked.
t.test('a workspace has so many keys that work, and no more; those that have ended do not count', async t => {
  const gateway = await startGateway(t)
  await store(gateway, { count: 20, revoked: true })
  await store(gateway, { count: MAX_KEYS - 1 })

  const last = await post(gateway, '', NEW)
  const refused = await post(gateway, '', NEW)
  const elsewhere = await post(gateway, '', NEW, 'globex')
  const replaced = await post(gateway, `/${last.body.id}/rotate`)
  await fetch(`${gateway.url}/api/keys/${last.body.id}`, { method: 'DELETE', headers: as('admin') })
  await fetch(`${gateway.url}/api/keys/${replaced.body.id}`, { method: 'DELETE', headers: as('admin') })
  const again = await post(gateway, '', NEW)

  t.equal(last.status, 201)
  t.match(refused, {
    status: 409,
    body: { code: 'too-many-keys', detail: /1000 working keys.* Revoke unused keys/ },
  })
  t.equal(elsewhere.status, 201)
  t.equal(replaced.status, 201, 'who has all keys can still rotate them')
  t.equal(again.status, 201)
})

t.test('rotating with an overlap makes no keys without end either', async t => {
  const gateway = await startGateway(t)
  const { body } = await post(gateway, '', NEW)
  await store(gateway, { count: MAX_KEYS + MORE_FOR_ROTATIONS - 1 })

  const overlapping = await post(gateway, `/${body.id}/rotate`)
  const atOnce = await post(gateway, `/${body.id}/rotate`, { overlap: 0 })

  t.match(overlapping, { status: 409, body: { code: 'too-many-keys' } })
  t.equal(atOnce.status, 201)
})

const NEW = { name: 'one more', role: 'viewer' }

async function post(
  { url }: Gateway,
  path: string,
  body: object = {},
  workspace = 'acme',
): Promise<{ status: number; body: { id: string; code?: string } }> {
  const response = await fetch(`${url}/api/keys${path}`, {
    method: 'POST',
    headers: { ...as('admin', workspace), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as { id: string } }
}

/** Straight into the table, which is quicker than as many requests. */
async function store({ app }: Gateway, { count, revoked = false }: { count: number; revoked?: boolean }) {
  await app.database.query(
    `insert into sluice.api_keys (id, workspace, name, role, secret_hash, created_by, revoked_at, revoked_by)
     select substr(md5($2::boolean::text || n), 1, 12), 'acme', 'stored', 'viewer', sha256(n::text::bytea), 'root',
            case when $2::boolean then now() end, case when $2::boolean then 'root' end
     from generate_series(1, $1::int) n`,
    [count, revoked],
  )
}
