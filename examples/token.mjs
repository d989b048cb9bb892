/**
 * Writes a token for the gateway that `npm start` has started from this folder, good for a day. In production an issuer
 * signs them, with a key that never lies about in a folder.
 *
 *   node examples/token.mjs viewer | editor | admin | runner
 */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'

const DAY_S = 86_400

const { JWT_SECRET, DATA_DIR = 'data' } = process.env
const [role] = process.argv.slice(2)
if (!['viewer', 'editor', 'admin', 'runner'].includes(role)) {
  console.error('Usage: node examples/token.mjs viewer | editor | admin | runner')
  process.exit(2)
}
const claims = {
  sub: `example-${role}`,
  workspace: 'demo',
  role,
  exp: Math.floor(Date.now() / 1_000) + DAY_S,
}
const input = [{ alg: 'HS256', typ: 'JWT' }, claims]
  .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.')
const secret = JWT_SECRET || readFileSync(`${DATA_DIR}/jwt-secret`, 'utf8')
console.log(`${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`)
