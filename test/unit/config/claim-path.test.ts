import t from 'tap'
import { claimPath, claimPathFault } from '../../../src/config/claim-path.js'

t.test('a text is a name, a path of names, or an array of names', async t => {
  const paths: Record<string, string[]> = {
    role: ['role'],
    'realm_access.roles': ['realm_access', 'roles'],
    'resource_access.my-app.roles': ['resource_access', 'my-app', 'roles'],
    'https://example.com/claims/role': ['https://example.com/claims/role'],
    'cognito:groups': ['cognito:groups'],
    'urn:zitadel:iam.roles': ['urn:zitadel:iam.roles'],
    'example.com/role': ['example.com/role'],
    '["https://hasura.io/jwt/claims","x-hasura-role"]': ['https://hasura.io/jwt/claims', 'x-hasura-role'],
    '["a.b"]': ['a.b'],
  }

  for (const [text, path] of Object.entries(paths)) {
    t.strictSame(claimPath(text), path, text)
    t.equal(claimPathFault('JWT_ROLE_CLAIM', text), undefined, text)
  }
})

t.test('a text in the claim of grants is refused, because no token with it would be accepted', async t => {
  for (const text of ['sluice', 'sluice.role', '["sluice","tenant"]']) {
    t.match(claimPathFault('JWT_ROLE_CLAIM', text), /^JWT_ROLE_CLAIM is in the claim sluice,/, text)
  }
  for (const text of ['sluice_role', 'app.sluice', 'https://sluice/role']) {
    t.equal(claimPathFault('JWT_ROLE_CLAIM', text), undefined, text)
  }
})

t.test('a text that names no claim is refused with the name of the setting and the forms', async t => {
  const wrong = [
    '.',
    'a.',
    '.a',
    'a..b',
    '[]',
    '["a",1]',
    '[""]',
    '["a"',
    '[["a"]]',
    `${'a.'.repeat(8)}a`,
    '[]'.repeat(9_999),
  ]

  for (const text of wrong) {
    t.match(
      claimPathFault('JWT_ROLE_CLAIM', text),
      /^JWT_ROLE_CLAIM names no claim\. Write a name such as role,/,
      text,
    )
  }
})
