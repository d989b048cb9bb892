/**
 * Guessing API keys: ten thousand from one address, some with the ids of real keys. None is accepted, the address is
 * limited, and the cost for the database and the audit log is bounded. Callers with good credentials go on.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { exchange, portOf } from '../../harness/exchange.js'
import { as, startGateway } from '../../harness/gateway.js'

const GUESSES = 10_000
const BUDGET = 200
const AT_ONCE = 50
/** For all guesses of a connection: seconds, and on a busy machine much longer. */
const PATIENCE_MS = 60_000
const ATTACKER = '198.51.100.66'
const OWNER = '203.0.113.5'

t.test('ten thousand wrong keys open nothing and cost little', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const { url } = await startGateway(t, {
    databaseUrl,
    env: {
      TRUSTED_PROXIES: '127.0.0.1',
      RATE_LIMIT_MAX: '100000',
      RATE_LIMIT_ADDRESS_MAX: `${BUDGET}`,
    },
  })
  const key = await createKey(url)
  const before = await scans(pool)

  const statuses = await guess(url, key, GUESSES)

  t.strictSame([...statuses.keys()].sort(), [401, 429], 'wrong, or not even looked at')
  t.ok([...statuses.values()].reduce((sum, count) => sum + count, 0) >= GUESSES, 'each was answered')
  // The window slides: a little more than the budget may be answered while it does.
  t.ok((statuses.get(401) ?? 0) <= 2 * BUDGET, `${statuses.get(401)} were looked at`)
  t.ok((await scans(pool)) - before <= 2 * BUDGET, 'look-ups in the database')
  const { rows } = await pool.query<{ count: number }>('select count(*)::int as count from sluice.audit')
  t.ok((rows[0]?.count ?? 0) <= BUDGET, `${rows[0]?.count} rows in the audit log`)
  t.equal(await ask(url, { 'x-api-key': key, 'x-forwarded-for': OWNER }), 200, 'the key from elsewhere')
  t.equal(await ask(url, { ...as('viewer'), 'x-forwarded-for': ATTACKER }), 200, 'a token from there')
})

// Attack: near misses of a real key, for a comparison that forgives case, length, padding or a suffix.
t.test('no near miss of a key is accepted', async t => {
  const { url } = await startGateway(t)
  const key = await createKey(url)
  const [, id = '', secret = ''] = /^slk_([^_]+)_(.+)$/.exec(key) ?? []
  const flipped = secret.replace(/.$/, last => (last === 'A' ? 'B' : 'A'))
  const near = [
    `slk_${id}_`,
    `slk_${id}_${flipped}`,
    `slk_${id}_${secret.slice(0, -1)}`,
    `slk_${id}_${secret}A`,
    `slk_${id}_${secret}=`,
    `slk_${id}_${secret.toUpperCase()}`,
    `slk_${id}_${secret.toLowerCase()}`,
    `slk_${id}_${createHash('sha256').update(secret).digest('hex')}`,
    `slk_${id}_${createHash('sha256').update(secret).digest('base64url')}`,
    `slk_${id.toUpperCase()}_${secret}`,
    `slk_${id}_%`,
    `slk_%_${secret}`,
    `slk_${id} _${secret}`,
    `slk_${id}__${secret}`,
    `slk__${secret}`,
    `SLK_${id}_${secret}`,
    `slk_${secret}_${id}`,
    `${id}_${secret}`,
    `slk_${'a'.repeat(12)}_${secret}`,
    `slk___proto___${secret}`,
    `slk_${"'or'1'='1"}_${secret}`,
    `slk_${id}_${secret}, slk_${id}_${secret}`,
    `slk_${'0'.repeat(8_000)}`,
  ]

  for (const text of near) {
    for (const headers of [{ 'x-api-key': text }, { authorization: `Bearer ${text}` }]) {
      const status = await ask(url, headers as Record<string, string>)
      if (status !== 401) t.fail(`${status}: ${text.slice(0, 100)}`)
    }
  }
  t.equal(await ask(url, { 'x-api-key': key }), 200, 'the key itself')
})

/** Each connection sends all of its guesses at once, as somebody in a hurry does. */
async function guess(url: string, key: string, count: number): Promise<Map<number, number>> {
  const each = count / AT_ONCE
  const answers = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, connection) => {
      const requests = Array.from({ length: each }, (_, n) => guessText(wrong(key, connection * each + n)))
      const bytes = `${requests.join('')}${guessText(wrong(key, 0), 'close')}`
      return exchange(portOf(url), bytes, { patienceMs: PATIENCE_MS })
    }),
  )
  const statuses = new Map<number, number>()
  for (const status of answers.flatMap(answer => answer.statuses)) {
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  return statuses
}

function guessText(key: string, connection = 'keep-alive'): string {
  const lines = [`X-API-Key: ${key}`, `X-Forwarded-For: ${ATTACKER}`, `Connection: ${connection}`]
  return `GET /api/items HTTP/1.1\r\nHost: x\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** By turns: the id of a real key with another secret, an id that nobody has, a text that is no key. */
function wrong(key: string, n: number): string {
  const [, id = '', right = ''] = key.split('_')
  // Of the right form, or nobody would look at it.
  const secret = createHash('sha512')
    .update(`${n}`)
    .digest('base64url')
    .replace(/[-_]/g, 'A')
    .slice(0, right.length)
  return [`slk_${id}_${secret}`, `slk_${`${n}`.padStart(12, '0')}_${secret}`, `slk_${secret}`][n % 3] ?? ''
}

async function createKey(url: string): Promise<string> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json', 'x-forwarded-for': OWNER },
    body: JSON.stringify({ name: 'import', role: 'viewer' }),
  })
  return Object(await response.json()).key
}

async function ask(url: string, headers: Record<string, string>): Promise<number> {
  const response = await fetch(`${url}/api/items`, { headers })
  await response.text()
  return response.status
}

/** How often the table of keys has been looked into, as far as the other connections have told. */
async function scans(pool: { query(sql: string): Promise<{ rows: { scans: number }[] }> }): Promise<number> {
  const { rows } = await pool.query(
    `select (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::int as scans
       from pg_stat_user_tables where relid = 'sluice.api_keys'::regclass`,
  )
  return rows[0]?.scans ?? 0
}
