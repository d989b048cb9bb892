import t from 'tap'
import { principalOf } from '../../../../src/auth/tokens/token.js'
import { claimPath } from '../../../../src/config/claim-path.js'
import { CLAIMS, goodClaims } from '../../../harness/tokens.js'

const RULES = CLAIMS

t.test('claims become a principal that expires at `exp`', async t => {
  const principal = principalOf(goodClaims({ exp: 2_000_000_000, iat: 1_700_000_000, jti: 't-1' }), RULES)

  t.strictSame(principal, {
    id: 'ada',
    workspace: 'acme',
    role: 'viewer',
    grants: undefined,
    expiresAt: 2_000_000_000_000,
    issuedAt: 1_700_000_000_000,
    credential: { kind: 'token', id: 't-1' },
  })
})

t.test('`iat` must not be in the future, within the clock tolerance', async t => {
  const now = Math.floor(Date.now() / 1_000)

  t.equal(principalOf(goodClaims({ iat: now + 4 }), RULES).issuedAt, (now + 4) * 1_000)
  for (const iat of [now + 7, now * 1_000, 1e300]) {
    t.throws(() => principalOf(goodClaims({ iat }), RULES), { code: 'token-invalid', detail: /`iat`/ })
  }
})

t.test('claims may have other names, even those of properties that every object has', async t => {
  const workspace = 'https://sluice.example/workspace'
  const rules = { ...RULES, workspaceClaim: claimPath(workspace), roleClaim: claimPath('constructor') }

  const principal = principalOf(goodClaims({ [workspace]: 'globex', constructor: 'admin' }), rules)

  t.match(principal, { workspace: 'globex', role: 'admin' })
  t.throws(() => principalOf(goodClaims({ [workspace]: 'globex' }), rules), { code: 'token-invalid' })
})

t.test('claims may be nested, and only members of the token count', async t => {
  const rules = {
    ...RULES,
    workspaceClaim: claimPath('app.tenant'),
    roleClaim: claimPath('realm_access.roles'),
  }
  const claims = { app: { tenant: 'globex' }, realm_access: { roles: ['offline_access', 'editor'] } }

  t.match(principalOf(goodClaims(claims), rules), { workspace: 'globex', role: 'editor' })
  for (const bad of [
    { 'realm_access.roles': ['admin'], realm_access: undefined },
    { realm_access: ['editor'] },
    { realm_access: { roles: { editor: true } } },
    { realm_access: 'roles' },
    { realm_access: null },
    { app: { tenant: ['globex'] } },
    { app: Object.create({ tenant: 'globex' }) },
  ]) {
    t.throws(
      () => principalOf(goodClaims({ ...claims, ...bad }), rules),
      { code: 'token-invalid' },
      JSON.stringify(bad),
    )
  }
  t.throws(
    () =>
      principalOf(goodClaims(claims), { ...rules, roleClaim: claimPath('realm_access.constructor.name') }),
    {
      code: 'token-invalid',
      detail: /`realm_access\.constructor\.name` must be one of viewer, editor, admin, runner\./,
    },
  )
})

t.test('`aud` may be a list with the audience in it, and `iss` must equal the issuer', async t => {
  const rules = { ...RULES, issuer: 'https://id.example', audience: 'sluice' }
  const claims = { iss: 'https://id.example', aud: ['other', 'sluice'] }

  t.equal(principalOf(goodClaims(claims), rules).id, 'ada')
  for (const bad of [
    { aud: 'other' },
    { aud: [] },
    { aud: [['sluice', 1]] },
    { aud: 1 },
    { aud: undefined },
    { iss: 'https://id.example/' },
    { iss: ['https://id.example'] },
    { iss: undefined },
  ]) {
    t.throws(
      () => principalOf(goodClaims({ ...claims, ...bad }), rules),
      { code: 'token-invalid' },
      JSON.stringify(bad),
    )
  }
})

t.test('a missing or bad claim is named in a 401', async t => {
  const bad: ReadonlyArray<readonly [claim: string, value: unknown]> = [
    ['exp', undefined],
    ['exp', '2000000000'],
    ['exp', 2_000_000_000.5],
    ['exp', 1e300],
    ['exp', null],
    ['sub', undefined],
    ['sub', ''],
    ['sub', 7],
    ['sub', 'a'.repeat(257)],
    ['sub', 'line\nbreak'],
    ['sub', '\u0000'],
    ['sub', '\ud800'],
    ['workspace', undefined],
    ['workspace', ''],
    ['workspace', 'two words'],
    ['workspace', 'acme\n'],
    ['workspace', '../acme'],
    ['workspace', ['acme']],
    ['workspace', 'a'.repeat(129)],
    ['role', undefined],
    ['role', 'owner'],
    ['role', 'Viewer'],
    ['role', ['owner', ['viewer'], { viewer: true }]],
    ['role', { 0: 'viewer', length: 1 }],
    ['role', true],
  ]

  for (const [claim, value] of bad) {
    try {
      principalOf(goodClaims({ [claim]: value }), RULES)
      t.fail(`${claim} ${JSON.stringify(value)} passed`)
    } catch (error) {
      t.match(
        error,
        { status: 401, code: 'token-invalid', detail: `\`${claim}\`` },
        `${claim} ${JSON.stringify(value)}`,
      )
    }
  }
})
