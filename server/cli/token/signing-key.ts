/** The key that signs tokens for a gateway: a private key, JWT_SECRET, or the secret of a development gateway. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Algorithm, algorithmsOf, keysOf, pemOf } from '../../../src/auth/tokens/keys.js'
import type { Config } from '../../../src/config/config.js'
import { ExitCode, Failure } from '../exit-code.js'

export interface SigningKey {
  readonly key: KeyObject | string
  readonly algorithm: Algorithm
  /** Whether it is the generated secret of a gateway in development. */
  readonly isDevelopment: boolean
}

/** @param file of a private key. @throws {Failure} if there is no key, or the gateway would not accept what it signs. */
export async function signingKey(config: Config, file: string | undefined): Promise<SigningKey> {
  if (file !== undefined) return await privateKey(config, file)
  if (config.JWT_SECRET !== undefined) {
    keysOf(config)
    return { key: config.JWT_SECRET, algorithm: 'HS256', isDevelopment: false }
  }
  if (config.JWKS_URL !== undefined || config.JWT_PUBLIC_KEY !== undefined) {
    const name = config.JWKS_URL === undefined ? 'JWT_PUBLIC_KEY' : 'JWKS_URL'
    throw new Failure(
      `The gateway verifies tokens with ${name}, which cannot sign. Give the private key with --key-file, or get a token from the issuer.`,
      ExitCode.usage,
    )
  }
  const secret = join(resolve(config.DATA_DIR), 'jwt-secret')
  const read = await readFile(secret, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new Failure(
      `There is no key: JWT_SECRET and --key-file are missing, and no development gateway has run on ${resolve(config.DATA_DIR)}. Set JWT_SECRET to the one of the gateway, or start one: sluice dev.`,
      ExitCode.usage,
    )
  })
  return { key: read, algorithm: 'HS256', isDevelopment: true }
}

async function privateKey(config: Config, file: string): Promise<SigningKey> {
  const pem = await readFile(file, 'utf8').catch(error => {
    throw new Failure(`The private key cannot be read: ${error.message}`, ExitCode.usage)
  })
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new Failure(
      `${file} holds no private key in PEM that can be read without a passphrase.`,
      ExitCode.usage,
    )
  }
  const [algorithm] = algorithmsOf(createPublicKey(key))
  if (algorithm === undefined) {
    throw new Failure(
      'The private key is of an unsupported kind. Use RSA of 2048 bits or more, EC P-256 or P-384, or Ed25519.',
      ExitCode.usage,
    )
  }
  const configured = config.JWT_SECRET ?? config.JWT_PUBLIC_KEY
  if (configured !== undefined) {
    const keys = keysOf(config)
    if (keys.kind !== 'public' || keys.pem !== pemOf(createPublicKey(key))) {
      throw new Failure(
        `The private key in ${file} does not belong to the key of the gateway. Give the one whose public half is JWT_PUBLIC_KEY.`,
        ExitCode.usage,
      )
    }
  }
  return { key, algorithm, isDevelopment: false }
}
