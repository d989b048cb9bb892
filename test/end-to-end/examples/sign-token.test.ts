import { execFile } from 'node:child_process'
import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { startGateway } from '../../harness/gateway.js'
import { SECRET } from '../../harness/tokens.js'

const run = promisify(execFile)
const script = join(packageRoot, 'examples/sign-token.mjs')
const rules = { JWT_ISSUER: 'https://login.example', JWT_AUDIENCE: 'sluice' }
const PAIRS: Readonly<Record<string, KeyPairKeyObjectResult>> = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
}

async function signed(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [script, ...args], { env: { ...rules, ...env } })
  return stdout.trim()
}

t.test(
  'a gateway in production takes the tokens that the example signs, whatever the kind of key',
  async t => {
    const pairs = Object.entries(PAIRS)
    const folder = t.testdir(
      Object.fromEntries(
        pairs.map(([name, { privateKey }]) => [name, privateKey.export({ type: 'pkcs8', format: 'pem' })]),
      ),
    )
    const keys = pairs.map(([algorithm, { publicKey }]) => {
      const JWT_PUBLIC_KEY = `${publicKey.export({ type: 'spki', format: 'pem' })}`
      const signer = { JWT_PRIVATE_KEY_FILE: join(folder, algorithm) }
      return { algorithm, gateway: { JWT_SECRET: '', JWT_PUBLIC_KEY }, signer }
    })
    const secret = { algorithm: 'HS256', gateway: { JWT_SECRET: SECRET }, signer: { JWT_SECRET: SECRET } }

    for (const { algorithm, gateway, signer } of [secret, ...keys]) {
      const { url } = await startGateway(t, { env: { NODE_ENV: 'production', ...rules, ...gateway } })
      const token = await signed(signer, 'acme', 'ada', 'editor')
      const response = await fetch(`${url}/api/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{"type":"thing.made","data":{}}',
      })

      t.equal(response.status, 201, algorithm)
      const [head = ''] = token.split('.')
      t.match(JSON.parse(Buffer.from(head, 'base64url').toString()), { alg: algorithm })
    }
  },
)

t.test('without a key, or with an unknown role, it prints an explanation', async t => {
  await t.rejects(signed({}, 'acme', 'ada', 'editor'), { code: 2, stderr: /^Usage: .*\nwith JWT_SECRET or/ })
  await t.rejects(signed({ JWT_SECRET: SECRET }, 'acme', 'ada', 'owner'), { code: 2, stderr: /^Usage: / })
})
