/** Which entries `sluice key import` accepts, and how it refuses the others. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { keyHash } from '../../../../server/cli/key-hash.js'
import { keyOf } from '../../../../server/cli/key-import.js'
import type { RoleNames } from '../../../../src/auth/role-names.js'

const ROLES: RoleNames = { map: new Map([['member', 'editor']]), otherwise: undefined }
const KEY = 'sk_live_abcdefghijklmnopqrstuv'
const HASH = createHash('sha256').update(KEY).digest()
const ENTRY = { prefix: 'sk_live_', sha256: HASH.toString('hex'), role: 'member' }

t.test('an entry is a key with the role that the map gives, and a name of its own', async t => {
  const full = { ...ENTRY, name: 'CI', expires_at: '2999-01-31', allowed_ips: ['203.0.113.0/24', '::1'] }

  t.strictSame(keyOf(full, ROLES), {
    prefix: 'sk_live_',
    secretHash: HASH,
    role: 'editor',
    name: 'CI',
    expiresAt: new Date('2999-01-31'),
    allowedIps: ['203.0.113.0/24', '0:0:0:0:0:0:0:1/128'],
  })
  t.match(keyOf(ENTRY, ROLES), { name: 'imported sk_live_', expiresAt: null, allowedIps: null })
  t.match(keyOf({ ...ENTRY, role: undefined }, { ...ROLES, otherwise: 'viewer' }), { role: 'viewer' })
  t.match(keyOf({ ...ENTRY, role: ['viewer', 'member'] }, ROLES), { role: 'editor' })
})

t.test('the hash may be in hexadecimal or in base64', async t => {
  const forms = [
    HASH.toString('hex'),
    HASH.toString('hex').toUpperCase(),
    HASH.toString('base64'),
    HASH.toString('base64').replace('=', ''),
    HASH.toString('base64url'),
  ]

  for (const form of forms) t.strictSame(keyHash(form, 'sk_live_'), HASH, form)
})

t.test('any other hash is refused by its name', async t => {
  const bytes = (count: number, form: 'hex' | 'base64' = 'hex') => Buffer.alloc(count, 0xab).toString(form)
  const wrong: ReadonlyArray<readonly [given: unknown, reason: RegExp]> = [
    [
      '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW',
      /^sha256 is bcrypt\. Only the unsalted SHA-256/,
    ],
    ['$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b', /^sha256 is Argon2\./],
    ['$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4', /^sha256 is scrypt\./],
    ['pbkdf2_sha256$600000$salt$hash', /^sha256 is PBKDF2\./],
    [`sha256$salt$${bytes(32)}`, /salt or other parameters/],
    [`salt:${bytes(32)}`, /salt or other parameters/],
    [bytes(16), /has 32 hexadecimal digits, as MD5 has/],
    [bytes(20), /has 40 hexadecimal digits, as SHA-1 has/],
    [bytes(28), /as SHA-224 has/],
    [bytes(48), /as SHA-384 has/],
    [bytes(64), /as SHA-512 has/],
    [bytes(31), /has 62 hexadecimal digits\. .* which has 64/],
    [`${bytes(32)}a`, /has 65 hexadecimal digits/],
    [bytes(33, 'base64'), /stands for 33 bytes in base64\. .* which has 32/],
    [bytes(64, 'base64'), /stands for 64 bytes/],
    ['not a hash', /neither hex nor base64/],
    ['', /sha256 is missing/],
    [undefined, /sha256 is missing/],
    [7, /sha256 is missing/],
    [createHash('sha256').update('').digest('hex'), /nothing in the key would be secret/],
    [createHash('sha256').update('sk_live_').digest('base64'), /nothing in the key would be secret/],
  ]

  for (const [given, reason] of wrong) {
    const answer = keyHash(given, 'sk_live_')
    t.match(answer, reason, String(given))
    if (typeof given === 'string' && given.length > 30) t.notMatch(answer, given, 'the hash is not repeated')
  }
})

t.test('every other fault of an entry is named', async t => {
  const wrong: ReadonlyArray<readonly [entry: unknown, reason: RegExp]> = [
    [undefined, /not a JSON object/],
    [[ENTRY], /not a JSON object/],
    [{ ...ENTRY, salt: 'x' }, /has a salt/],
    [{ ...ENTRY, key: KEY }, /"key" is not one of prefix, sha256, role/],
    [{ ...ENTRY, prefix: undefined }, /^prefix must have 3 to 32/],
    [{ ...ENTRY, prefix: 'sk' }, /^prefix must have/],
    [{ ...ENTRY, prefix: 'x'.repeat(33) }, /^prefix must have/],
    [{ ...ENTRY, prefix: 'sk live' }, /^prefix must have/],
    [{ ...ENTRY, prefix: 'sk_lïve' }, /^prefix must have/],
    [{ ...ENTRY, prefix: 'slk_0123456789ab' }, /^prefix must have/],
    [{ ...ENTRY, prefix: 'eyJhbGciOi' }, /^prefix must have/],
    [{ ...ENTRY, prefix: 'a.b.c' }, /^prefix must have/],
    [
      { ...ENTRY, role: 'owner' },
      /^role must be one of viewer, editor, admin, runner, or a name in JWT_ROLE_MAP/,
    ],
    [{ ...ENTRY, role: undefined }, /^role must be/],
    [{ ...ENTRY, name: 'two\nlines' }, /^name must have/],
    [{ ...ENTRY, name: '' }, /^name must have/],
    [{ ...ENTRY, expires_at: '2020-01-31' }, /^expires_at is over/],
    [{ ...ENTRY, expires_at: 'tomorrow' }, /^expires_at must be a time/],
    [{ ...ENTRY, expires_at: 2_000_000_000 }, /^expires_at must be a time/],
    [{ ...ENTRY, allowed_ips: [] }, /^allowed_ips must be/],
    [{ ...ENTRY, allowed_ips: ['10.0.0.1/8'] }, /^allowed_ips must be/],
    [{ ...ENTRY, allowed_ips: '10.0.0.1' }, /^allowed_ips must be/],
  ]

  for (const [entry, reason] of wrong) t.match(keyOf(entry, ROLES), reason, JSON.stringify(entry))
})
