/**
 * Tokens of a former system, with role names of its own, in its own claims. A name that is read otherwise than its issuer means
 * it would let a caller act beyond its role.
 */

import { createHmac } from 'node:crypto'
import t from 'tap'
import { startGateway } from '../../harness/gateway.js'
import { bearer, goodClaims, SECRET, token } from '../../harness/tokens.js'

const MAP = { JWT_ROLE_MAP: 'owner=admin,member=editor,qa_lead=viewer' }

t.test('members of a former system are served by their own role names', async t => {
  const { url } = await startGateway(t, { env: { ...MAP, JWT_ROLE_CLAIM: 'realm_access.roles' } })
  const call = caller(url)
  const roles = (...names: unknown[]) => token({ role: 'admin', realm_access: { roles: names } })

  t.equal(await call('GET', '/api/keys', roles('offline_access', 'owner', 'qa_lead')), 200)
  t.equal(await call('POST', '/api/events', roles('member')), 201)
  t.equal(await call('GET', '/api/keys', roles('member', 'qa_lead')), 403)
  t.equal(await call('POST', '/api/events', roles('qa_lead')), 403)
  t.equal(await call('GET', '/api/jobs', roles('qa_lead')), 200)
  const refused = await fetch(`${url}/api/jobs`, { headers: bearer(roles('stranger', 'Owner')) })
  t.equal(refused.status, 401)
  t.match(await refused.json(), {
    code: 'token-invalid',
    detail:
      'The token is not valid: `realm_access.roles` must be one of viewer, editor, admin, runner, or a name in the role map of this gateway.',
  })
})

t.test('a claim with a URL as its name, and a default role', async t => {
  const claim = 'https://example.com/claims/role'
  const env = { ...MAP, JWT_ROLE_CLAIM: claim, JWT_DEFAULT_ROLE: 'viewer' }
  const { url, app } = await startGateway(t, { env })
  const call = caller(url)

  t.equal(await call('GET', '/api/keys', token({ [claim]: 'owner' })), 200)
  t.equal(await call('GET', '/api/jobs', token({ [claim]: 'stranger' })), 200)
  t.equal(await call('POST', '/api/events', token({ [claim]: 'stranger', role: 'admin' })), 403)
  t.equal(await call('GET', '/api/jobs', token({})), 200)
  t.equal(await call('GET', '/api/jobs', token({ [claim]: { owner: true } })), 401)
  const signed = app.signToken({ id: 'ada', workspace: 'acme', role: 'editor' }, 60)
  t.equal(await call('POST', '/api/events', signed), 201)
})

// Attack: of two members with one name, another reader of the token takes the other one.
t.test('a nested member that is there twice makes the token invalid', async t => {
  const { url } = await startGateway(t, { env: { ...MAP, JWT_ROLE_CLAIM: 'realm_access.roles' } })
  const claims = (realm: string) => JSON.stringify(goodClaims()).replace(/}$/, `,"realm_access":${realm}}`)
  const call = caller(url)

  t.equal(await call('GET', '/api/jobs', signedText(claims('{"x":{"roles":1},"roles":["qa_lead"]}'))), 200)
  for (const realm of [
    '{"roles":["qa_lead"],"roles":["owner"]}',
    '{"roles":["qa_lead"],"r\\u006fles":["owner"]}',
    '{"roles":["qa_lead"],"x":[{"y":1,"y":2}]}',
  ]) {
    t.equal(await call('GET', '/api/keys', signedText(claims(realm))), 401, realm)
  }
})

function caller(url: string) {
  return async (method: 'GET' | 'POST', path: string, credentials: string): Promise<number> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...bearer(credentials), ...(method === 'POST' && { 'content-type': 'application/json' }) },
      ...(method === 'POST' && { body: '{"type":"thing.made","data":{}}' }),
    })
    await response.body?.cancel()
    return response.status
  }
}

/** A token whose claims are this text, to the letter. */
function signedText(claims: string): string {
  const input = ['{"alg":"HS256","typ":"JWT"}', claims]
    .map(part => Buffer.from(part).toString('base64url'))
    .join('.')
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`
}
