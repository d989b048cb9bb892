/** What a caller learns about itself, whatever its credentials are. */
import t from 'tap'
import { as, startGateway } from '../../harness/gateway.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'

t.test('a caller sees its principal, whatever its credentials are', async t => {
  const { url } = await startGateway(t, { env: { OPERATOR_WORKSPACE: 'ops', JWT_ROLE_MAP: 'boss=admin' } })
  const get = async (headers: Record<string, string>) =>
    (await fetch(`${url}/api/principal`, { headers })).json()
  const made = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'lamp', role: 'editor', grants: { subscribe: ['rooms/*'] } }),
  })
  const { key } = (await made.json()) as { key: string }
  const exp = secondsFromNow(600)

  t.match(await get(bearer(token({ sub: 'ada', role: 'boss', workspace: 'ops', exp }))), {
    id: 'ada',
    workspace: 'ops',
    role: 'admin',
    grants: null,
    expires_at: new Date(exp * 1_000).toISOString(),
    is_operator: true,
    parts: ['items'],
  })
  t.match(await get({ 'x-api-key': key }), {
    workspace: 'acme',
    role: 'editor',
    grants: { subscribe: ['rooms/*'], publish: [], types: ['*'] },
    expires_at: null,
    is_operator: false,
  })
  t.match(await get(as('runner')), { role: 'runner', is_operator: false })
  t.match(await get(as('admin')), { role: 'admin', is_operator: false })
})
