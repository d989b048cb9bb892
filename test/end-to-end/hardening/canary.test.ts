/**
 * Canaries: a secret of its own in every place that can hold one, and then a look at all that comes out: what the
 * processes write, what callers are answered, what others are sent, what is stored for admins, what Postgres shows of its
 * sessions. Who finds one there has found a leak.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase, type TestDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { type GatewayProcess, startProcess, startProgram } from '../../harness/process.js'
import { bearer, SECRET, secondsFromNow, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const JSON_TYPE = { 'content-type': 'application/json' }
/** What a terminal obeys, or takes for the end of a line. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u

/** What an answer above 499 must not tell: SQL, frames of a stack, files, hosts. */
const INSIDE =
  /\b(?:select|insert|constraint|relation|column|node_modules)\b|\.[jt]s\b|127\.0\.0\.1|ECONN|EPIPE|ENOTFOUND/

/** A text that is nowhere else. */
const canary = (name: string) => `canary${name}${Math.random().toString(36).slice(2)}`

const SECRETS = {
  jwtSecret: SECRET,
  databasePassword: canary('password'),
  goodToken: token({ role: 'editor' }),
  forgedToken: token({}, {}, 'another secret, of 32 characters or more'),
  expiredToken: token({ exp: secondsFromNow(-60) }),
  tokenInQuery: token({ jti: 'query' }),
  wrongKey: `slk_0123456789ab_${'canaryKEY'.padEnd(43, 'x')}`,
  basic: Buffer.from(`user:${canary('basic')}`).toString('base64'),
  ticket: canary('ticket').padEnd(43, 't'),
  cookie: canary('cookie'),
  webhook: canary('webhook'),
  idempotency: canary('idempotency'),
  agent: canary('agent'),
  brokenJson: canary('json'),
  wrongBody: canary('body'),
  overlong: canary('overlong'),
  violatingRow: canary('row'),
  invalidValue: canary('value'),
  command: canary('command'),
  signature: canary('signature'),
} as const

t.test('no secret that is sent in appears in any output', async t => {
  const database = await createDatabase(t)
  const { gateway, proxy } = await start(t, database)
  const answers: string[] = []
  const send = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${gateway.url}${path}`, { redirect: 'manual', ...init })
    const text = await response.text()
    answers.push(`${response.status} ${JSON.stringify([...response.headers])} ${text}`)
    return text
  }
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    send(path, { method: 'POST', body, headers: { ...bearer(SECRETS.goodToken), ...JSON_TYPE, ...headers } })

  const bystander = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  const admin = { ...as('admin'), ...JSON_TYPE }
  const made = await fetch(`${gateway.url}/api/keys`, {
    method: 'POST',
    headers: admin,
    body: '{"name":"ci","role":"editor"}',
  })
  const { key } = (await made.json()) as { key: string }
  const issued = await fetch(`${gateway.url}/api/stream-tickets`, {
    method: 'POST',
    headers: admin,
    body: '{"path":"/api/events"}',
  })
  const { ticket } = (await issued.json()) as { ticket: string }
  const secrets = { ...SECRETS, key, secretOfKey: key.split('_')[2] ?? '', goodTicket: ticket }

  for (const headers of [
    ...[secrets.goodToken, secrets.forgedToken, secrets.expiredToken, key, secrets.wrongKey].map(bearer),
    { authorization: `Basic ${secrets.basic}` },
    ...[key, secrets.wrongKey, secrets.forgedToken].map(text => ({ 'x-api-key': text })),
    { ...bearer(secrets.goodToken), 'x-api-key': key },
    { cookie: `session=${secrets.cookie}; sluice-browser=${secrets.cookie}` },
    {
      ...bearer(secrets.goodToken),
      'x-hub-signature-256': secrets.webhook,
      'user-agent': secrets.agent,
      referer: secrets.webhook,
      'x-forwarded-for': secrets.agent,
      'last-event-id': secrets.agent,
      accept: secrets.agent,
    },
  ]) {
    for (const path of [
      '/api/items',
      '/api/events?limit=1',
      '/api/nothing',
      '/api/items/%zz',
      '//api//items',
    ]) {
      await send(path, { headers: { accept: 'application/json', ...headers } })
    }
  }
  for (const path of ['/api/events', '/api/items', '/nothing', '/api/nothing/%zz', '/']) {
    for (const name of ['token', '%74oken', 'TOKEN', 'ticket', 'access_token', 'x']) {
      for (const secret of [secrets.forgedToken, secrets.wrongKey, key])
        await send(`${path}?${name}=${secret}`)
    }
    await send(`${path}?ticket=${secrets.ticket}`)
    await send(`${path}/${secrets.goodToken}`)
    await send(`${path}/${key}?a=1#token=${secrets.tokenInQuery}`)
  }
  await send(`/api/v1/artifacts/acme/report.html?expires=1&signature=${secrets.signature}`)
  await openStream(t, `${gateway.url}/api/events?token=${secrets.tokenInQuery}`)
  await openStream(t, `${gateway.url}/api/events?ticket=${ticket}`)

  await post('/api/events', `{"type":"a.b","data":{}}`, { 'idempotency-key': secrets.idempotency })
  await post('/api/events', `{"type":"a.b","data":${secrets.wrongBody}}`).then(text => text && answers.pop())
  await post('/api/events', `${'['.repeat(500)}"${secrets.wrongBody}"${']'.repeat(500)}`)
  await post('/api/events', `{"type":"a.b","data":"${secrets.wrongBody}"}`)
  await post('/api/items', `{"part_number":"${secrets.wrongBody}".}`).then(() => answers.pop())
  await post(
    '/api/items',
    `{"part_number":{"${'x'}":"${secrets.wrongBody}"},"__proto__":{"a":"${secrets.wrongBody}"}}`,
  )
  await post('/api/items', secrets.wrongBody, { 'content-type': 'text/plain' })
  await post(
    '/api/jobs',
    `{"kind":"command","payload":{"command":"psql --password=${secrets.command}"}}`,
  ).then(() => answers.pop())
  await post('/projects/shop/shell', `{"command":"PGPASSWORD=${secrets.command} psql"}`)
  await raw(
    gateway,
    `GET /api/items?token=${secrets.overlong.padEnd(20_000, 'x')} HTTP/1.1\r\nHost: x\r\n\r\n`,
    answers,
  )
  await raw(
    gateway,
    `GET / HTTP/1.1\r\nHost: x\r\nCookie: ${secrets.overlong.padEnd(20_000, 'x')}\r\n\r\n`,
    answers,
  )
  await raw(gateway, `GET /${secrets.overlong} HTTP/9\r\nAuthorization: ${secrets.overlong}\r\n\r\n`, answers)
  await raw(gateway, `${secrets.overlong}\r\n\r\n`, answers)
  await raw(
    gateway,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nX-A: ${secrets.overlong}\r\nContent-Length: 2\r\n\r\n`,
    answers,
  )

  // What Postgres says of rows and values that it refuses holds the rows and the values.
  await database.pool.query(`alter table sluice.items add check (description <> '${secrets.violatingRow}')`)
  t.match(await post('/api/items', item('A1', secrets.violatingRow)), /"code":"internal"/)
  await database.pool.query(
    `alter table sluice.items add check (item_type <> 'number' or description::int > 0)`,
  )
  t.match(await post('/api/items', item('A2', secrets.invalidValue, 'number')), /"code":"internal"/)

  // They are dropped if they are due while the database is away.
  await until('failures are on record', async () => {
    const { rows } = await database.pool.query(
      `select from sluice.audit where details->>'code' = 'key-in-url'`,
    )
    return rows.length > 0
  })
  const { rows: sessions } = await database.pool.query(
    `select application_name, query from pg_stat_activity
      where datname = current_database() and application_name <> 'test'`,
  )
  await proxy.unplug()
  t.match(await post('/api/items', item('A3', 'x')), /"code":"database-unavailable"/)
  await send('/api/items', { headers: { 'x-api-key': secrets.wrongKey } })
  await send('/ready')
  await proxy.plugIn()
  await until('it is ready', async () => (await send('/ready')).includes('"ready"'))

  await send('/openapi.json')
  const { rows: audit } = await database.pool.query('select * from sluice.audit')
  gateway.signal('SIGWINCH')
  await gateway.ended()

  const found = leaks(secrets, {
    output: gateway.output(),
    answers: answers.join('\n'),
    bystander: bystander.text(),
    audit: JSON.stringify(audit),
    sessions: JSON.stringify(sessions),
  })
  t.strictSame(found, [])
  const faults = answers.filter(answer => answer.startsWith('5'))
  t.ok(faults.length > 3)
  for (const fault of faults) t.notMatch(fault, INSIDE)
  for (const told of ['"msg":"crashed"', '"msg":"request failed"', '"code":"23514"', '"code":"22P02"']) {
    t.ok(gateway.output().includes(told), told)
  }
  t.strictSame(gateway.output().split('\n').filter(isBadLine), [])
})

t.test('a log line stays one line without control characters for a terminal', async t => {
  const { gateway } = await start(t, await createDatabase(t))
  const nasty = [
    '\u001b[31mred',
    'a\r\nb',
    '\u0085',
    '\u009b2J',
    '\u2028',
    '\u202e',
    '\u0000',
    '"}\n{"level":60}',
  ]
  for (const text of nasty) {
    const encoded = encodeURIComponent(text)
    const headers = bearer(token({ sub: `ada${text}`, jti: text, exp: secondsFromNow(-60) }))
    await fetch(`${gateway.url}/api/items/${encoded}?search=${encoded}`, { headers })
    await fetch(`${gateway.url}/api/events?stream=${encoded}&types=${encoded}`, { headers: as('viewer') })
    await fetch(`${gateway.url}/api/items`, {
      headers: bearer(token({ sub: `a${text.replace(/\p{Cc}/gu, '')}` })),
    })
    await raw(
      gateway,
      Buffer.from(`GET /${text} HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${text}\r\n\r\n`, 'latin1'),
    )
    await raw(
      gateway,
      `GET /${text} HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${text}\r\nConnection: close\r\n\r\n`,
    )
  }
  await gateway.stop()

  t.strictSame(gateway.output().split('\n').filter(isBadLine), [])
})

t.test('errors that keep a gateway from starting hold no secret', async t => {
  const secret = canary('start')
  const { url } = await createDatabase(t)
  const bad: Record<string, string>[] = [
    { JWT_SECRET: secret.slice(0, 20) },
    { JWT_SECRET: secret.padEnd(40, 'x'), JWKS_URL: `https://user:${secret}@login.example/` },
    { DATABASE_URL: `mysql://user:${secret}@db/app` },
    { JWT_PUBLIC_KEY: `-----BEGIN PUBLIC KEY-----\n${secret}` },
    { NODE_ENV: 'production', JWT_SECRET: secret },
  ]

  const outputs = await Promise.all(
    bad.map(async env => {
      const program = startProgram(t, { env: { DATABASE_URL: url, ...env } })
      t.not(await program.ended(), 0, Object.keys(env).join())
      return program.output()
    }),
  )
  const waiting = ['127.0.0.1:1', '[not a host]:5432'].map(host =>
    startProgram(t, { env: { DATABASE_URL: `postgres://user:${secret}@${host}/app`, JWT_SECRET: SECRET } }),
  )
  for (const program of waiting) await program.until(/cannot be reached yet/)
  const argument = startProgram(t, { args: ['--demo', `--token=${secret}`], env: { DATABASE_URL: url } })
  t.equal(await argument.ended(), 2)

  const later = [...waiting, argument].map(program => program.output())
  t.notMatch([...outputs, ...later].join('\n'), secret.slice(0, 20))
})

t.test('a key set behind a password is fetched with it, and the password is shown nowhere', async t => {
  const secret = canary('jwks')
  const seen: (string | undefined)[] = []
  const issuer = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(500).end()
  })
  await once(issuer.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => issuer.close())
  const address = issuer.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, {
    databaseUrl,
    env: {
      LOG_LEVEL: 'trace',
      JWT_SECRET: '',
      JWKS_URL: `http://user:${secret}@127.0.0.1:${port}/keys?x=${secret}`,
    },
  })

  const response = await fetch(`${gateway.url}/api/items`, { headers: as('viewer') })

  t.match(await response.json(), { status: 503, code: 'keys-unavailable' })
  t.strictSame(seen, [`Basic ${Buffer.from(`user:${secret}`).toString('base64')}`])
  await gateway.until(/keys-unavailable|answered 500/)
  t.notMatch(gateway.output(), secret)
})

t.test('a runner never prints its token', async t => {
  const { gateway } = await start(t, await createDatabase(t))
  const secret = token({ role: 'runner' }, {}, 'another secret, of 32 characters or more')
  const args = ['runner', '--project', 'shop', '--dir', '/tmp', '--url']

  const refused = startProgram(t, { args: [...args, gateway.url], env: { SLUICE_TOKEN: secret } })
  const inUrl = gateway.url.replace('//', '//user:canarypassword@')
  const misused = startProgram(t, { args: [...args, inUrl], env: { SLUICE_TOKEN: secret } })
  const missing = startProgram(t, { args: ['runner', secret], env: { SLUICE_TOKEN: secret } })

  t.equal(await refused.ended(), 1)
  t.equal(await misused.ended(), 2)
  t.equal(await missing.ended(), 2)
  const output = refused.output() + misused.output() + missing.output()
  t.match(refused.output(), /token-invalid/)
  t.notMatch(output, secret)
  t.notMatch(output, 'canarypassword')
})

const CRASH = {
  NODE_OPTIONS: `--import=${new URL('crash.js', import.meta.url)}`,
  CRASH_MESSAGE: `cannot reach postgres://sluice:${SECRETS.databasePassword}@db/x with ${SECRETS.goodToken}`,
  CRASH_DETAIL: SECRETS.violatingRow,
}

async function start(t: Test, { url }: TestDatabase) {
  const proxy = await startProxy(t, url)
  const withPassword = new URL(proxy.url)
  withPassword.password = SECRETS.databasePassword
  const gateway = await startProcess(t, {
    databaseUrl: withPassword.href,
    env: { NODE_ENV: 'production', LOG_LEVEL: 'trace', ...CRASH },
  })
  return { gateway, proxy }
}

function item(part_number: string, description: string, item_type = 'part'): string {
  return JSON.stringify({ part_number, description, item_type })
}

/** Which secret is where. */
function leaks(secrets: Record<string, string>, outputs: Record<string, string>): string[] {
  return Object.entries(outputs).flatMap(([place, text]) =>
    Object.entries(secrets)
      .filter(([, secret]) => [secret, secret.split('.')[2] ?? secret].some(part => text.includes(part)))
      .map(([name]) => {
        const secret = secrets[name] ?? ''
        const at = Math.max(text.indexOf(secret), text.indexOf(secret.split('.')[2] ?? secret))
        return `${name} in ${place}: …${text.slice(Math.max(0, at - 120), at + 60)}…`
      }),
  )
}

/** Lines of the log are JSON; the other lines are the greeting at the start of a gateway. */
function isBadLine(line: string): boolean {
  if (UNPRINTABLE.test(line)) return true
  if (!line.includes('{')) return false
  try {
    return typeof JSON.parse(line) !== 'object'
  } catch {
    return true
  }
}

/** Sends bytes as they are, and waits for the end of the answer. */
async function raw({ port }: GatewayProcess, bytes: string | Buffer, answers: string[] = []): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
    socket.end()
  })
  socket.on('error', () => undefined)
  socket.setTimeout(2_000, () => socket.destroy())
  socket.write(bytes)
  await once(socket, 'close')
  answers.push(text)
}
