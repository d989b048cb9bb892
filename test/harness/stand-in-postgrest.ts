/**
 * Stands in for PostgREST, which no package of ours brings: tables and functions over HTTP, each request in the transaction
 * that PostgREST documents (https://docs.postgrest.org, "Transactions"): START TRANSACTION with the access mode, the
 * settings `role` and `request.…` for this transaction only, the pre-request function, the main query, COMMIT. It knows
 * only the requests that our recipes make.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import pg from 'pg'
import type { Test } from 'tap'

/** The settings of postgrest.conf, with its names: db-uri, jwt-secret, db-anon-role, db-schemas, db-pre-request. */
export type PostgrestSettings = Readonly<Record<string, string>>

type Claims = Readonly<Record<string, unknown>>

interface Answer {
  readonly status: number
  readonly body?: unknown
}

/** A `.conf` file: `name = "value"` on each line. */
export function readSettings(text: string): PostgrestSettings {
  return Object.fromEntries(
    [...text.matchAll(/^([a-z-]+) *= *"(.*)"$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
}

/** Starts it on this port. It ends with `t`, or before. */
export async function startStandInPostgrest(
  t: Test,
  port: number,
  settings: PostgrestSettings,
): Promise<{ stop(): Promise<void> }> {
  const pool = new pg.Pool({ connectionString: settings['db-uri'], max: 3 })
  pool.on('error', () => undefined)
  const server = createServer((request, response) => {
    answer(request, pool, settings)
      .catch(refusal)
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(body === undefined ? '' : JSON.stringify(body))
      })
      .catch(() => response.destroy())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  let stopped: Promise<void> | undefined
  const close = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    await pool.end()
  }
  const stop = () => (stopped ??= close())
  t.teardown(stop)
  return { stop }
}

async function answer(request: IncomingMessage, pool: pg.Pool, settings: PostgrestSettings): Promise<Answer> {
  const claims = claimsOf(request, settings)
  if (!claims) return { status: 401, body: { code: 'PGRST301', message: 'JWT invalid' } }
  const { method = 'GET', url = '/' } = request
  const body = method === 'GET' || method === 'DELETE' ? {} : await json(request)
  const client = await pool.connect()
  try {
    await client.query(
      `START TRANSACTION ISOLATION LEVEL READ COMMITTED ${method === 'GET' ? 'READ ONLY' : 'READ WRITE'}`,
    )
    await client.query(
      `SELECT set_config('search_path', $1, true), set_config('role', $2, true),
         set_config('request.jwt.claims', $3, true), set_config('request.method', $4, true),
         set_config('request.path', $5, true), set_config('request.headers', $6, true),
         set_config('request.cookies', '{}', true)`,
      [
        `"${settings['db-schemas']}"`,
        claims.role,
        JSON.stringify(claims),
        method,
        new URL(url, 'http://localhost').pathname,
        JSON.stringify(request.headers),
      ],
    )
    if (settings['db-pre-request']) await client.query(`SELECT ${settings['db-pre-request']}()`)
    const rows = await mainQuery(client, settings['db-schemas'] ?? 'public', method, url, body)
    await client.query('COMMIT')
    return method === 'GET' || url.startsWith('/rpc/')
      ? { status: 200, body: rows }
      : { status: method === 'POST' ? 201 : 204 }
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

/** In the shapes of PostgREST: a data-modifying CTE for a table, named arguments for a function. */
async function mainQuery(
  client: pg.PoolClient,
  schema: string,
  method: string,
  url: string,
  body: unknown,
): Promise<unknown> {
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  const [, first = '', second = ''] = pathname.split('/').map(part => pg.escapeIdentifier(part))
  const of = (name: string) => `${pg.escapeIdentifier(schema)}.${name}`
  const names = Object.keys(Object(body))
  const columns = names.map(name => pg.escapeIdentifier(name)).join(', ')

  if (pathname.startsWith('/rpc/')) {
    const given = names.map((name, i) => `${pg.escapeIdentifier(name)} := $${i + 1}`).join(', ')
    const { rows } = await client.query(
      `SELECT ${of(second)}(${given}) AS result`,
      Object.values(Object(body)),
    )
    return rows[0]?.result
  }
  const filters = [...searchParams].map(([column, value], i) => {
    return { sql: `${pg.escapeIdentifier(column)} = $${i + 1}`, value: value.replace(/^eq\./, '') }
  })
  const where = filters.length > 0 ? `WHERE ${filters.map(({ sql }) => sql).join(' AND ')}` : ''
  const values = filters.map(({ value }) => value)
  const payload = `$${values.length + 1}::json`
  const changes: Readonly<Record<string, string>> = {
    POST: `INSERT INTO ${of(first)} (${columns}) SELECT ${columns} FROM json_populate_record(null::${of(first)}, ${payload})`,
    PATCH: `UPDATE ${of(first)} SET (${columns}) = (SELECT ${columns} FROM json_populate_record(null::${of(first)}, ${payload})) ${where}`,
    DELETE: `DELETE FROM ${of(first)} ${where}`,
  }
  const change = changes[method]
  if (change) {
    const sent = method === 'DELETE' ? values : [...values, JSON.stringify(body)]
    return (
      await client.query(
        `WITH pgrst_source AS (${change} RETURNING 1) SELECT count(*) FROM pgrst_source`,
        sent,
      )
    ).rows
  }
  const { rows } = await client.query(
    `SELECT coalesce(json_agg(t), '[]') AS body FROM (SELECT * FROM ${of(first)} ${where}) t`,
    values,
  )
  return rows[0]?.body
}

/** Undefined for a token that it refuses. Without a token, the caller is the anonymous role. */
function claimsOf({ headers }: IncomingMessage, settings: PostgrestSettings): Claims | undefined {
  const [, token] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? []
  if (token === undefined) return { role: settings['db-anon-role'] }
  const [head = '', payload = '', signature = ''] = token.split('.')
  const expected = createHmac('sha256', settings['jwt-secret'] ?? '')
    .update(`${head}.${payload}`)
    .digest()
  const given = Buffer.from(signature, 'base64url')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
  const claims: Claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return Number(claims.exp) * 1_000 > Date.now() ? claims : undefined
}

function refusal(error: unknown): Answer {
  if (!(error instanceof pg.DatabaseError)) throw error
  const { code, message, hint, detail } = error
  return { status: code === '42501' ? 403 : 400, body: { code, message, hint, details: detail } }
}
