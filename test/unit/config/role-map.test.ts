import t from 'tap'
import { ROLES } from '../../../src/auth/principal.js'
import { ConfigError, readConfig } from '../../../src/config/config.js'
import { Environment } from '../../../src/config/environment.js'
import { parseRoleMap } from '../../../src/config/role-map.js'

t.test('a list of entries and a JSON object stand for the same map', async t => {
  const map = [
    ['owner', 'admin'],
    ['QA lead', 'viewer'],
    ['cn=ops', 'runner'],
  ]

  t.strictSame([...parseRoleMap(' owner=admin, QA lead = viewer ,cn=ops=runner,').roles], map)
  t.strictSame([...parseRoleMap(JSON.stringify(Object.fromEntries(map))).roles], map)
  t.strictSame([...parseRoleMap('{"a,b":"editor","__proto__":"viewer"}').roles.keys()], ['a,b', '__proto__'])
  t.strictSame([...parseRoleMap('').roles], [])
})

t.test('each wrong entry is named, with the remedy', async t => {
  const faults = faultsOf(
    `owner=admin,member,qa=lead,=viewer,owner=viewer,x\u0007=viewer,${'y'.repeat(129)}=viewer`,
  )

  t.match(faults, [
    /"member" is wrong\. Write name=role/,
    /"qa=lead" is wrong\. Write one of viewer, editor, admin, runner after the =\./,
    /"=viewer" is wrong\. Write name=role/,
    /"owner=viewer" is wrong\. The name is there twice/,
    /"x\\u0007=viewer" is wrong\. Write name=role/,
    /"y{80}…" is wrong\. Write name=role/,
  ])
  t.equal(faults.length, 6)
  t.match(faultsOf('{"qa":["viewer"]}'), [/"qa=\[\\"viewer\\"\]" is wrong/])
  t.match(faultsOf('{"qa":'), ['JWT_ROLE_MAP is not a JSON object. Write owner=admin,member=editor.'])
  t.match(faultsOf(Array.from({ length: 257 }, (_, n) => `r${n}=viewer`).join()), [
    /has 257 entries\. Write at most 256/,
  ])
})

t.test('the default role is one of the roles', async t => {
  t.strictSame(Environment.properties.JWT_DEFAULT_ROLE.enum, [...ROLES])
})

function faultsOf(JWT_ROLE_MAP: string): readonly string[] {
  try {
    readConfig({ JWT_ROLE_MAP })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}
