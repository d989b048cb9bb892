/** Gateway CPU per request and kind of credential, and whether response times reveal what exists in other workspaces. */
import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../src/embedded-postgres/embedded-postgres.js'
import { type AccessGateway, type Ask, startAccessGateway } from './access-gateway.js'
import type { Row } from './row.js'
import { percentile, round, sorted } from './statistics.js'

const REQUESTS = 8_000
const WARM_UP = 2_000
/** Each key is created over HTTP first. A workspace cannot have more. */
const KEYS = 1_000
/** As many as can be created and used within the 30 s for which they are valid. */
const TICKETS = 1_000
const CONNECTIONS = 16
/** Responses of each kind that are timed, one after another. */
const TIMED = 4_000
const SECRET = 'a secret for benches, 32 characters and more'
const LIFETIME_S = 3_600

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
/** Answered from memory to a viewer: beside `/health`, it costs only the access check. */
const GUARDED = '/api/server/state'

type Signer = (input: string) => Buffer
const hs256: Signer = input => createHmac('sha256', SECRET).update(input).digest()
const rs256: Signer = input => sign('sha256', Buffer.from(input), rsa.privateKey)

/** CPU per request. */
export function access(): Promise<Row[]> {
  return withDatabase(async databaseUrl => {
    const bySecret = { DATABASE_URL: databaseUrl, JWT_SECRET: SECRET }
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const byPublicKey = { DATABASE_URL: databaseUrl, JWT_PUBLIC_KEY: pem }
    const limited = { ...bySecret, RATE_LIMIT_MAX: '1000000000' }
    const bearers = (signer: Signer, alg: string) => (n: number) =>
      bearer(tokenOf(signer, alg, { jti: `${n}` }))
    const one = (headers: Ask['headers']) => () => ({ path: GUARDED, headers })
    const each = (make: (n: number) => Ask['headers'], count = REQUESTS + WARM_UP) => {
      const made = Array.from({ length: count }, (_, n) => make(n))
      return (n: number) => ({ path: GUARDED, headers: made[n % count] })
    }

    const rows: Row[] = []
    await withGateway(bySecret, async gateway => {
      rows.push(await costOf(gateway, 'none: /health', () => ({ path: '/health' })))
      rows.push(await costOf(gateway, 'HS256, remembered', one(bearer(tokenOf(hs256, 'HS256')))))
      rows.push(await costOf(gateway, 'HS256, new each time', each(bearers(hs256, 'HS256'))))
      rows.push(await costOf(gateway, 'HS256, forged', each(bearers(() => Buffer.alloc(32), 'HS256')), 401))
      const keys = await makeKeys(gateway, KEYS)
      const [key = ''] = keys
      rows.push(await costOf(gateway, 'key, remembered', one({ 'x-api-key': key })))
      rows.push(
        await costOf(
          gateway,
          'key, new each time',
          each(n => ({ 'x-api-key': keys[n] ?? '' }), KEYS),
          200,
          KEYS,
        ),
      )
      rows.push(await costOf(gateway, 'key, wrong', one({ 'x-api-key': wrongly(key) }), 401))
      const viewer = bearer(tokenOf(hs256, 'HS256'))
      const follow = (path: string, headers?: Ask['headers']): Ask => ({ path, headers, stream: true })
      const open = () => follow('/api/events', viewer)
      rows.push(await costOf(gateway, 'stream, token', open, 200, TICKETS))
      const tickets = await makeTickets(gateway, viewer)
      const take = (n: number) => follow(tickets[n] ?? '')
      rows.push(await costOf(gateway, 'stream, ticket', take, 200, TICKETS))
    })
    await withGateway(byPublicKey, async gateway => {
      rows.push(await costOf(gateway, 'RS256, remembered', one(bearer(tokenOf(rs256, 'RS256')))))
      rows.push(await costOf(gateway, 'RS256, new each time', each(bearers(rs256, 'RS256'))))
    })
    await withGateway(limited, async gateway => {
      rows.push(await costOf(gateway, 'HS256, remembered, counted', one(bearer(tokenOf(hs256, 'HS256')))))
    })
    return rows
  })
}

/** Response times for foreign data and for data that does not exist. */
export function foreign(): Promise<Row[]> {
  return withDatabase(databaseUrl =>
    withGateway({ DATABASE_URL: databaseUrl, JWT_SECRET: SECRET }, async gateway => {
      const as = (role: string, workspace: string) => bearer(tokenOf(hs256, 'HS256', { role, workspace }))
      const theirs = as('editor', 'globex')
      const mine = as('editor', 'acme')
      const make = async (path: string, body: object) =>
        Object(
          JSON.parse(
            (await gateway.ask({ path, method: 'POST', headers: theirs, body: JSON.stringify(body) })).text,
          ),
        )
      for (const part_number of ['G1', 'G2']) {
        await make('/api/items', { part_number, description: 'Theirs', item_type: 'part' })
      }
      const job = (await make('/api/jobs', { kind: 'build' })).id
      const execution = (await make('/api/executions', {})).executionId
      await make('/api/events?stream=plans', { type: 'plan.made', data: {} })
      const [key = ''] = await makeKeys(gateway, 1)
      const get = (path: string): Ask => ({ path, headers: { ...mine, accept: 'application/json' } })
      const cases: readonly [what: string, foreign: Ask, unknown: Ask][] = [
        ['item', get('/api/items/G1'), get('/api/items/X1')],
        ['job', get(`/api/jobs/${job}`), get(`/api/jobs/${randomUUID()}`)],
        ['execution', get(`/api/executions/${execution}`), get(`/api/executions/${randomUUID()}`)],
        ['stream', get('/api/events?stream=plans'), get('/api/events?stream=plant')],
        ['key', keyed(wrongly(key)), keyed(wrongly(key).replace(/_.{12}_/, `_${'0'.repeat(12)}_`))],
      ]
      const rows: Row[] = []
      for (const [what, foreign, unknown] of cases) rows.push(await compare(gateway, what, foreign, unknown))
      return rows
    }),
  )
}

async function costOf(
  gateway: AccessGateway,
  credential: string,
  request: (n: number) => Ask,
  status = 200,
  requests = REQUESTS,
): Promise<Row> {
  const warmUp = requests === REQUESTS ? WARM_UP : 0
  const send = async (from: number, count: number) => {
    let next = from
    const worker = async () => {
      for (let n = next++; n < from + count; n = next++) {
        const answer = await gateway.ask(request(n))
        if (answer.status !== status) throw new Error(`${credential}: ${answer.status} ${answer.text}`)
      }
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, worker))
  }
  await send(0, warmUp)
  const before = await gateway.cpuSeconds()
  await send(warmUp, requests)
  const microseconds = ((await gateway.cpuSeconds()) - before) * 1e6
  return { credential, requests, status, 'CPU µs/request': round(microseconds / requests) }
}

/** One at a time, alternating; the noise is the difference between two halves of the same kind. */
async function compare(gateway: AccessGateway, what: string, foreign: Ask, unknown: Ask): Promise<Row> {
  const times: [foreign: number[], unknown: number[]] = [[], []]
  const texts = new Set<string>()
  for (let n = 0; n < 2 * TIMED + WARM_UP; n++) {
    // Not strictly alternating, or one kind would always run in the state that the other leaves behind.
    const which = Math.random() < 0.5 ? 0 : 1
    const begun = performance.now()
    const { status, text } = await gateway.ask(which === 0 ? foreign : unknown)
    const microseconds = (performance.now() - begun) * 1_000
    texts.add(`${status} ${text.replace(/"request_id":"[^"]*"/, '')}`)
    if (n >= WARM_UP) times[which].push(microseconds)
  }
  if (texts.size !== 1) throw new Error(`${what}: answers differ: ${[...texts].join(' | ')}`)
  const median = (values: readonly number[]) => percentile(sorted(values), 50)
  const halves = times.map(values => {
    const even = values.filter((_, at) => at % 2 === 0)
    const odd = values.filter((_, at) => at % 2 === 1)
    return Math.abs(median(even) - median(odd))
  })
  return {
    what,
    'foreign µs': round(median(times[0])),
    'unknown µs': round(median(times[1])),
    'difference µs': round(median(times[0]) - median(times[1])),
    'noise µs': round(Math.max(...halves)),
  }
}

async function makeKeys(gateway: AccessGateway, count: number): Promise<string[]> {
  const headers = bearer(tokenOf(hs256, 'HS256', { role: 'admin', workspace: 'globex' }))
  const body = JSON.stringify({ name: 'bench', role: 'viewer' })
  const make = async () => {
    const { text } = await gateway.ask({ path: '/api/keys', method: 'POST', headers, body })
    return String(Object(JSON.parse(text)).key)
  }
  return await inTurns(count, make)
}

async function makeTickets(gateway: AccessGateway, headers: Ask['headers']): Promise<string[]> {
  const body = '{"path":"/api/events"}'
  return await inTurns(TICKETS, async () => {
    const { text } = await gateway.ask({
      path: '/api/stream-tickets',
      method: 'POST',
      headers,
      body,
    })
    return String(Object(JSON.parse(text)).url)
  })
}

async function inTurns(count: number, make: () => Promise<string>): Promise<string[]> {
  const made: string[] = []
  while (made.length < count) {
    const some = Math.min(CONNECTIONS, count - made.length)
    made.push(...(await Promise.all(Array.from({ length: some }, make))))
  }
  return made
}

/** Another secret, of the right form. */
function wrongly(key: string): string {
  return key.replace(/.$/, last => (last === 'A' ? 'B' : 'A'))
}

function keyed(key: string): Ask {
  return { path: GUARDED, headers: { 'x-api-key': key } }
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

function tokenOf(signer: Signer, alg: string, claims: object = {}): string {
  const exp = Math.floor(Date.now() / 1_000) + LIFETIME_S
  const all = { sub: 'bench', workspace: 'acme', role: 'viewer', exp, ...claims }
  const input = [{ alg, typ: 'JWT' }, all]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${input}.${signer(input).toString('base64url')}`
}

async function withDatabase(measure: (url: string) => Promise<Row[]>): Promise<Row[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const database = await startEmbedded({ dataDir })
  try {
    return await measure(database.url)
  } finally {
    await database.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function withGateway<T>(
  env: Readonly<Record<string, string>>,
  measure: (gateway: AccessGateway) => Promise<T>,
): Promise<T> {
  const gateway = await startAccessGateway(env, CONNECTIONS)
  try {
    return await measure(gateway)
  } finally {
    await gateway.close()
  }
}
