/**
 * Signs the token of a person of the workshop, or of its carrier: who it is, and which streams and types it may read.
 * This is the only place that decides that; in your application it is the one that knows who is logged in.
 *
 *   JWT_SECRET=… node examples/sql-app/token.mjs ada | bob | carrier
 */
import { createHmac } from 'node:crypto'

const GRANTS = {
  ada: { subscribe: ['user/ada', 'room/*'], publish: ['room/lobby'] },
  bob: { subscribe: ['user/bob', 'room/*'], publish: ['room/lobby'] },
  carrier: { subscribe: ['orders'], publish: [], types: ['order.*'] },
}

const { JWT_SECRET } = process.env
const [name] = process.argv.slice(2)
if (!JWT_SECRET || !Object.hasOwn(GRANTS, name ?? '')) {
  console.error('Usage: JWT_SECRET=… node token.mjs ada | bob | carrier')
  process.exit(2)
}
const claims = {
  sub: name,
  workspace: 'workshop',
  role: name === 'carrier' ? 'viewer' : 'editor',
  exp: Math.floor(Date.now() / 1_000) + 3_600,
  sluice: GRANTS[name],
}
const input = [{ alg: 'HS256', typ: 'JWT' }, claims]
  .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.')
console.log(`${input}.${createHmac('sha256', JWT_SECRET).update(input).digest('base64url')}`)
