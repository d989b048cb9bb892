import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { developmentSecret, keysOf, previousKeyOf } from '../../../../src/auth/tokens/keys.js'
import { ConfigError } from '../../../../src/config/config.js'

function pem(key: KeyObject, type: 'spki' | 'pkcs1' = 'spki'): string {
  return key.export({ type, format: 'pem' }).toString()
}

t.test('the kind of key determines the algorithms', async t => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const algorithms = (key: string) => keysOf({ JWT_PUBLIC_KEY: key }).algorithms

  t.strictSame(algorithms(pem(rsa)), ['RS256', 'PS256'])
  t.strictSame(algorithms(pem(rsa, 'pkcs1')), ['RS256', 'PS256'])
  t.strictSame(algorithms(pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)), ['ES256'])
  t.strictSame(algorithms(pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)), ['ES384'])
  t.strictSame(algorithms(pem(generateKeyPairSync('ed25519').publicKey)), ['EdDSA'])
  t.match(keysOf({ JWT_SECRET: 's'.repeat(32) }), { kind: 'secret', algorithms: ['HS256'] })
  t.notMatch(keysOf({ JWKS_URL: 'https://id.example' }).algorithms.join(), /HS|none/)
})

t.test('a public key may be written on one line', async t => {
  const key = pem(generateKeyPairSync('ed25519').publicKey)

  t.match(keysOf({ JWT_PUBLIC_KEY: key.replaceAll('\n', '\\n') }), { kind: 'public', pem: key })
})

t.test('keys that are too weak, of other kinds or cut short are refused at boot', async t => {
  const weak = [
    pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
    pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
    pem(generateKeyPairSync('x25519').publicKey),
    '-----BEGIN PUBLIC KEY-----\nMIIB',
  ]

  for (const key of weak)
    t.throws(() => keysOf({ JWT_PUBLIC_KEY: key }), { name: 'ConfigError', message: 'JWT_PUBLIC_KEY' })
})

t.test('a key pair does not pass for a secret: anyone with the public half could sign', async t => {
  const key = pem(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)

  t.throws(() => keysOf({ JWT_SECRET: key }), { name: 'ConfigError', message: 'JWT_PUBLIC_KEY' })
})

t.test('a previous key is held to the same checks as the current one, under its own name', async t => {
  const current = keysOf({ JWT_SECRET: 's'.repeat(32) })
  const rsa = pem(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)
  const weak = pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
  const refused = (message: string) => ({ name: 'ConfigError', message })

  t.match(previousKeyOf({ JWT_SECRET_PREVIOUS: 'p'.repeat(32) }, current), {
    kind: 'secret',
    algorithms: ['HS256'],
  })
  t.match(previousKeyOf({ JWT_PUBLIC_KEY_PREVIOUS: rsa }, current), { algorithms: ['RS256', 'PS256'] })
  t.equal(previousKeyOf({}, current), undefined)
  t.throws(
    () => previousKeyOf({ JWT_SECRET_PREVIOUS: rsa }, current),
    refused(
      'JWT_SECRET_PREVIOUS holds a key in PEM form. Set JWT_PUBLIC_KEY_PREVIOUS to its public half instead.',
    ),
  )
  t.throws(() => previousKeyOf({ JWT_PUBLIC_KEY_PREVIOUS: weak }, current), {
    name: 'ConfigError',
    message: /^JWT_PUBLIC_KEY_PREVIOUS is of an unsupported kind/,
  })
  t.throws(() => previousKeyOf({ JWT_PUBLIC_KEY_PREVIOUS: '-----BEGIN PUBLIC KEY-----' }, current), {
    name: 'ConfigError',
    message: /^JWT_PUBLIC_KEY_PREVIOUS cannot be read/,
  })
})

t.test('a previous key that is the current one is refused, however it is written', async t => {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const secret = 's'.repeat(32)

  t.throws(() => previousKeyOf({ JWT_SECRET_PREVIOUS: secret }, keysOf({ JWT_SECRET: secret })), {
    name: 'ConfigError',
    message: /^JWT_SECRET_PREVIOUS is the same key as JWT_SECRET\. Set JWT_SECRET to the new key, or leave/,
  })
  t.throws(
    () => previousKeyOf({ JWT_PUBLIC_KEY_PREVIOUS: pem(key, 'pkcs1') }, keysOf({ JWT_PUBLIC_KEY: pem(key) })),
    { name: 'ConfigError', message: /^JWT_PUBLIC_KEY_PREVIOUS is the same key as JWT_PUBLIC_KEY\./ },
  )
})

t.test('without a key the development key is used, and without both the start fails', async t => {
  t.match(keysOf({}, 'made for development'), { kind: 'secret', secret: 'made for development' })
  t.throws(() => keysOf({}), ConfigError)
})

t.test('the development secret is created once, readable by its owner only', async t => {
  const folder = join(t.testdir({}), 'not', 'there', 'yet')

  const secrets = await Promise.all(Array.from({ length: 8 }, () => developmentSecret(folder)))

  t.equal(new Set(secrets).size, 1, 'all who start at once get the same')
  t.equal(await developmentSecret(folder), secrets[0])
  t.equal(Buffer.from(secrets[0] ?? '', 'base64url').length, 32)
  t.strictSame(await readdir(folder), ['jwt-secret'], 'no draft is left')
  t.equal((await stat(join(folder, 'jwt-secret'))).mode & 0o777, 0o600)
})

t.test('a damaged secret is reported with the remedy, not replaced', async t => {
  const folder = t.testdir({ 'jwt-secret': 'short' })

  await t.rejects(developmentSecret(folder), { name: 'ConfigError', message: /Delete the file/ })
  t.equal(await readFile(join(folder, 'jwt-secret'), 'utf8'), 'short')
  await writeFile(join(folder, 'jwt-secret'), '')
  await t.rejects(developmentSecret(folder), { name: 'ConfigError' })
})
