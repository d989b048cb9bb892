/** Issuers of each kind of key, who sign whatever they are given; and somebody who would like to be one. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { SECRET, secondsFromNow } from '../../harness/tokens.js'

export const ISSUER = 'https://id.example'
export const AUDIENCE = 'sluice'

export interface Issuer {
  readonly name: 'secret' | 'RSA' | 'EC' | 'Ed25519' | 'key set'
  readonly algorithm: 'HS256' | 'RS256' | 'ES256' | 'EdDSA'
  readonly publicKey: KeyObject | undefined
  /** What a gateway that trusts this issuer is configured with. */
  readonly env: Readonly<Record<string, string>>
  sign(input: string): Buffer
}

export interface Parts {
  readonly header?: object
  readonly claims?: object
  /** Instead: the JSON as it is. */
  readonly headerText?: string
  readonly claimsText?: string | Buffer
}

const DEMANDS = { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE }

/** One of each kind. The key set is served as long as the test runs. */
export async function issuers(t: Test): Promise<Issuer[]> {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ed25519 = generateKeyPairSync('ed25519')
  const listed = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const keys = [{ ...listed.publicKey.export({ format: 'jwk' }), use: 'sig', kid: 'k-1' }]
  const set = await serve(t, JSON.stringify({ keys }))
  return [
    {
      name: 'secret',
      algorithm: 'HS256',
      publicKey: undefined,
      env: { ...DEMANDS, JWT_SECRET: SECRET },
      sign: input => createHmac('sha256', SECRET).update(input).digest(),
    },
    ofPair('RSA', 'RS256', rsa),
    ofPair('EC', 'ES256', ec),
    ofPair('Ed25519', 'EdDSA', ed25519),
    {
      ...ofPair('key set', 'RS256', listed),
      env: { ...DEMANDS, JWT_SECRET: '', JWKS_URL: `${set.url}/keys` },
    },
  ]
}

/** A token of the issuer, good but for what is given. */
export function issued(issuer: Issuer, parts: Parts = {}): string {
  const input = inputOf(issuer, parts)
  return `${input}.${issuer.sign(input).toString('base64url')}`
}

/** What would have to be signed for that token. */
export function inputOf({ algorithm, name }: Issuer, parts: Parts = {}): string {
  const header = { alg: algorithm, typ: 'JWT', ...(name === 'key set' && { kid: 'k-1' }), ...parts.header }
  return [
    parts.headerText ?? JSON.stringify(header),
    parts.claimsText ?? JSON.stringify(fineClaims(parts.claims)),
  ]
    .map(text => Buffer.from(text).toString('base64url'))
    .join('.')
}

export function fineClaims(claims: object = {}): object {
  const who = { sub: 'ada', workspace: 'acme', role: 'viewer' }
  return { ...who, iss: ISSUER, aud: AUDIENCE, exp: secondsFromNow(3_600), ...claims }
}

/** A server that answers everything with `body`, and counts who comes. */
export async function serve(t: Test, body: string): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    response.setHeader('content-type', 'application/json').end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

function ofPair(
  name: Issuer['name'],
  algorithm: Exclude<Issuer['algorithm'], 'HS256'>,
  { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject },
): Issuer {
  const hash = algorithm === 'EdDSA' ? null : 'sha256'
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  return {
    name,
    algorithm,
    publicKey,
    env: { ...DEMANDS, JWT_SECRET: '', JWT_PUBLIC_KEY: pem },
    sign: input => sign(hash, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  }
}
