/** What a caller learns about itself, whatever its credentials are. */
import t from 'tap'
import { as, startGateway } from '../../harness/gateway.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'

const PARTS = ['audit', 'commands', 'console', 'docs', 'executions', 'items', 'jobs', 'keys', 'runs']

t.test('a caller sees its principal, whatever its credentials are', async t => {
  const { url } = await startGateway(t, { env: { OPERATOR_WORKSPACE: 'ops', JWT_ROLE_MAP: 'boss=admin' } })
  const get = async (headers: Record<string, string>) => {
    const { parts, ...caller } = Object(await (await fetch(`${url}/api/principal`, { headers })).json())
    return { ...caller, parts: [...parts].sort() }
  }
  const made = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'lamp', role: 'editor', grants: { subscribe: ['rooms/*'] } }),
  })
  const { id, key } = (await made.json()) as { id: string; key: string }
  const exp = secondsFromNow(600)

  const expires_at = new Date(exp * 1_000).toISOString()
  const ops = { sub: 'ada', role: 'boss', workspace: 'ops', exp }
  const granted = { ...ops, sluice: { subscribe: ['rooms/*'] } }
  const acme = { workspace: 'acme', grants: null, expires_at, is_operator: false, parts: PARTS }
  t.strictSame(await get(bearer(token(ops))), {
    id: 'ada',
    workspace: 'ops',
    role: 'admin',
    grants: null,
    expires_at,
    is_operator: true,
    parts: PARTS,
  })
  t.match(
    await get(bearer(token(granted))),
    { role: 'admin', grants: { subscribe: ['rooms/*'] }, is_operator: false },
    'credentials with grants are no operator',
  )
  t.match(await get(bearer(token({ ...ops, role: 'editor' }))), { role: 'editor', is_operator: false })
  t.strictSame(await get({ 'x-api-key': key }), {
    id: `key:${id}`,
    workspace: 'acme',
    role: 'editor',
    grants: { subscribe: ['rooms/*'], publish: [], types: ['*'] },
    expires_at: null,
    is_operator: false,
    parts: PARTS,
  })
  for (const role of ['runner', 'admin']) {
    t.strictSame(await get(bearer(token({ sub: 'eve', role, exp }))), { ...acme, id: 'eve', role })
  }
})
