/**
 * The keys that verify tokens, and the algorithms that each allows. While a key is being changed there are two, and each verifies
 * with its own algorithms only. The algorithms always come from the key, never from the
 * token: otherwise an attacker could sign a token with the public key as an HMAC secret (RFC 8725 §2.1).
 */
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, ConfigError } from '../../config/config.js'

export type Algorithm = 'HS256' | 'RS256' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA'

export type Key =
  | { readonly kind: 'secret'; readonly secret: string; readonly algorithms: readonly Algorithm[] }
  | { readonly kind: 'public'; readonly pem: string; readonly algorithms: readonly Algorithm[] }

export type Keys =
  | Key
  | { readonly kind: 'set'; readonly url: string; readonly algorithms: readonly Algorithm[] }

/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2048
const SECRET_BYTES = 32
const SECRET_FILE = 'jwt-secret'

/** The algorithms that a key set may contain keys for; each key allows only its own. */
const SET_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const satisfies Algorithm[]

/**
 * The configured key.
 * @param developmentKey used if none is configured (see `developmentSecret`).
 * @throws {ConfigError}
 */
export function keysOf(
  config: Pick<Config, 'JWT_SECRET' | 'JWT_PUBLIC_KEY' | 'JWKS_URL'>,
  developmentKey?: string,
): Keys {
  if (config.JWKS_URL !== undefined) return { kind: 'set', url: config.JWKS_URL, algorithms: SET_ALGORITHMS }
  if (config.JWT_PUBLIC_KEY !== undefined) return publicKey('JWT_PUBLIC_KEY', config.JWT_PUBLIC_KEY)
  const secret = config.JWT_SECRET ?? developmentKey
  if (secret === undefined) {
    throw new ConfigError(['No JWT key is set. Set JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL.'])
  }
  return secretKey('JWT_SECRET', secret)
}

/**
 * The second key, which verifies tokens until the last of those that it has signed has expired.
 * @param current the key that replaces it.
 * @throws {ConfigError} also if it is the current key: then a forgotten variable would look like a change of keys.
 */
export function previousKeyOf(
  config: Pick<Config, 'JWT_SECRET_PREVIOUS' | 'JWT_PUBLIC_KEY_PREVIOUS'>,
  current: Keys,
): Key | undefined {
  const { JWT_SECRET_PREVIOUS: secret, JWT_PUBLIC_KEY_PREVIOUS: pem } = config
  if (secret !== undefined) {
    const key = secretKey('JWT_SECRET_PREVIOUS', secret)
    if (current.kind === 'secret' && current.secret === secret) throw sameKey('JWT_SECRET')
    return key
  }
  if (pem === undefined) return undefined
  const key = publicKey('JWT_PUBLIC_KEY_PREVIOUS', pem)
  if (current.kind === 'public' && current.pem === key.pem) throw sameKey('JWT_PUBLIC_KEY')
  return key
}

function sameKey(name: string): ConfigError {
  return new ConfigError([
    `${name}_PREVIOUS is the same key as ${name}. Set ${name} to the new key, or leave ${name}_PREVIOUS out.`,
  ])
}

function secretKey(name: string, secret: string): Key {
  // Anyone who has the public key could sign tokens with it.
  if (secret.includes('-----BEGIN')) {
    const other = name.replace('SECRET', 'PUBLIC_KEY')
    throw new ConfigError([`${name} holds a key in PEM form. Set ${other} to its public half instead.`])
  }
  return { kind: 'secret', secret, algorithms: ['HS256'] }
}

function publicKey(name: string, text: string): Key & { readonly kind: 'public' } {
  const key = readPem(name, text.replaceAll('\\n', '\n'))
  const algorithms = algorithmsOf(key)
  if (algorithms.length === 0) {
    throw new ConfigError([
      `${name} is of an unsupported kind. Use RSA of 2048 bits or more, EC P-256 or P-384, or Ed25519.`,
    ])
  }
  return { kind: 'public', pem: pemOf(key), algorithms }
}

function readPem(name: string, pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch {
    throw new ConfigError([`${name} cannot be read. It must be a complete public key in PEM form.`])
  }
}

/** The algorithms that a public key allows; none for unsupported kinds. */
export function algorithmsOf(key: KeyObject): readonly Algorithm[] {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return modulusLength >= MIN_RSA_BITS ? ['RS256', 'PS256'] : []
    case 'ec':
      return namedCurve === 'prime256v1' ? ['ES256'] : namedCurve === 'secp384r1' ? ['ES384'] : []
    case 'ed25519':
      return ['EdDSA']
    default:
      return []
  }
}

export function pemOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

/**
 * A secret for development, generated once and kept in `jwt-secret` (mode 0600) of this directory, so that yesterday's tokens
 * still work. Production configures its own key.
 */
export async function developmentSecret(dataDir: string): Promise<string> {
  const file = join(dataDir, SECRET_FILE)
  await mkdir(dataDir, { recursive: true })
  if ((await readSecret(file)) === undefined) await createSecret(file)
  const secret = await readSecret(file)
  if (secret === undefined || Buffer.from(secret, 'base64url').length !== SECRET_BYTES) {
    throw new ConfigError([
      `${file} does not contain a secret. Delete the file; the next start generates a new one.`,
    ])
  }
  return secret
}

async function readSecret(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Writes under another name and then links: one of two processes wins, and neither reads half a secret. */
async function createSecret(file: string): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, randomBytes(SECRET_BYTES).toString('base64url'), { mode: 0o600, flag: 'wx' })
  try {
    await link(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft)
  }
}
