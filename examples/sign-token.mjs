/**
 * Signs a token for a gateway in production, as the part of your application does that knows who is logged in. It needs Node
 * and no package. The key comes from the environment, because arguments can be seen by everybody on the machine:
 *
 *   JWT_SECRET             the gateway's own (HS256), or
 *   JWT_PRIVATE_KEY_FILE   a private key in PEM, whose public half is the gateway's JWT_PUBLIC_KEY: RSA (RS256), EC on P-256
 *                          (ES256), or Ed25519 (EdDSA)
 *   JWT_ISSUER, JWT_AUDIENCE   where the gateway asks for them
 *
 *   node examples/sign-token.mjs WORKSPACE SUBJECT viewer | editor | admin | runner [MINUTES]
 *
 * A stream ends with its token: give a quarter of an hour, and let clients fetch a new one.
 */
import { createHmac, createPrivateKey, randomUUID, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'

const { JWT_SECRET, JWT_PRIVATE_KEY_FILE, JWT_ISSUER, JWT_AUDIENCE } = process.env
const [workspace, subject, role, minutes = '15'] = process.argv.slice(2)
const known = ['viewer', 'editor', 'admin', 'runner'].includes(role)
if (!known || !/^[1-9]\d*$/.test(minutes) || !JWT_SECRET === !JWT_PRIVATE_KEY_FILE) {
  console.error(
    'Usage: node examples/sign-token.mjs WORKSPACE SUBJECT viewer | editor | admin | runner [MINUTES]',
  )
  console.error('with JWT_SECRET or JWT_PRIVATE_KEY_FILE in the environment, not both')
  process.exit(2)
}

const now = Math.floor(Date.now() / 1_000)
const claims = {
  sub: subject,
  workspace,
  role,
  iat: now,
  exp: now + Number(minutes) * 60,
  // By it this one token can be revoked.
  jti: randomUUID(),
  ...(JWT_ISSUER && { iss: JWT_ISSUER }),
  ...(JWT_AUDIENCE && { aud: JWT_AUDIENCE }),
}
const [alg, signatureOf] = JWT_SECRET ? withSecret(JWT_SECRET) : withKey(JWT_PRIVATE_KEY_FILE)
const input = [{ alg, typ: 'JWT' }, claims]
  .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.')
console.log(`${input}.${signatureOf(Buffer.from(input)).toString('base64url')}`)

function withSecret(secret) {
  return ['HS256', bytes => createHmac('sha256', secret).update(bytes).digest()]
}

function withKey(file) {
  const key = createPrivateKey(readFileSync(file))
  const type = key.asymmetricKeyType
  if (type === 'ed25519') return ['EdDSA', bytes => sign(null, bytes, key)]
  if (type === 'rsa') return ['RS256', bytes => sign('sha256', bytes, key)]
  const onP256 = type === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
  // RFC 7518 §3.4: both numbers one after the other, not as OpenSSL writes them.
  if (onP256) return ['ES256', bytes => sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })]
  console.error(`${file} is a key of a kind that is not taken: make it RSA, EC on P-256, or Ed25519.`)
  process.exit(2)
}
