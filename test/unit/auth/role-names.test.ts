import t from 'tap'
import type { Role } from '../../../src/auth/principal.js'
import { nameOfRole, type RoleNames, roleNamed } from '../../../src/auth/role-names.js'

const FORMER: RoleNames = {
  map: new Map<string, Role>([
    ['owner', 'admin'],
    ['member', 'editor'],
    ['qa_lead', 'viewer'],
    ['bot', 'runner'],
    ['editor', 'viewer'],
  ]),
  otherwise: undefined,
}
const WITH_DEFAULT: RoleNames = { ...FORMER, otherwise: 'viewer' }

t.test(
  'the highest of the named roles counts, and a runner is one only if nothing else is named',
  async t => {
    const named: ReadonlyArray<readonly [value: unknown, role: Role | undefined]> = [
      ['owner', 'admin'],
      ['viewer', 'viewer'],
      ['editor', 'viewer'],
      [['offline_access', 'qa_lead', 'member'], 'editor'],
      [['member', 'owner', 'qa_lead'], 'admin'],
      [['bot', 'qa_lead'], 'viewer'],
      [['offline_access', 'bot'], 'runner'],
      [[7, null, ['owner'], { owner: true }, 'qa_lead'], 'viewer'],
    ]

    for (const [value, role] of named) t.equal(roleNamed(value, FORMER), role, JSON.stringify(value))
  },
)

t.test('without a named role the default counts, except for a value that cannot name one', async t => {
  for (const value of [
    undefined,
    null,
    'stranger',
    'Owner',
    ' owner',
    '',
    [],
    ['stranger', 7],
    'constructor',
  ]) {
    t.equal(roleNamed(value, FORMER), undefined, JSON.stringify(value))
    t.equal(roleNamed(value, WITH_DEFAULT), 'viewer', JSON.stringify(value))
  }
  for (const value of [7, true, { owner: true }]) t.equal(roleNamed(value, WITH_DEFAULT), undefined)
})

t.test('a role has a name to sign tokens with, unless the map takes all of them', async t => {
  t.equal(nameOfRole('viewer', FORMER), 'viewer')
  t.equal(nameOfRole('editor', FORMER), 'member')
  t.equal(
    nameOfRole('admin', { map: new Map<string, Role>([['admin', 'viewer']]), otherwise: undefined }),
    undefined,
  )
})
