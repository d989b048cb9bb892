/**
 * Stolen stream tickets. A ticket is part of a URL, so logs, browser histories and screens show it. It must therefore work
 * once, for one path, for the first browser, and no longer than the credentials that it was made from.
 */
import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const RACERS = 50

const first = await startGateway(t)
const second = await startGateway(t, { databaseUrl: first.databaseUrl })

// Attack: somebody who reads the log as it is written is as quick as the client itself.
t.test('fifty clients race with one ticket over two gateways, and one gets the stream', async t => {
  const { url } = await ticket('/api/events')

  const streams = await Promise.all(
    Array.from({ length: RACERS }, (_, at) => openStream(t, `${at % 2 ? first.url : second.url}${url}`)),
  )

  const statuses = streams.map(({ response }) => response.statusCode)
  t.equal(statuses.filter(status => status === 200).length, 1)
  t.equal(statuses.filter(status => status === 401).length, RACERS - 1)
})

t.test('a used ticket does not work for another client', async t => {
  const { url } = await ticket('/api/events')
  const stream = await openStream(t, `${first.url}${url}`)
  const cookie = cookieOf(stream.response.headers['set-cookie'])
  t.equal(stream.response.statusCode, 200)

  t.equal(await status(`${first.url}${url}`), 401, 'again, without the cookie')
  t.equal(await status(`${second.url}${url}`), 401, 'at another gateway')
  t.equal(await status(`${first.url}${url}`, 'sluice_browser=AAAA'), 401, 'with a cookie of one’s own')
  const other = `sluice_browser=${'B'.repeat(43)}`
  t.equal(await status(`${first.url}${url}`, other), 401, 'with one of the right form')
  t.equal(await status(`${first.url}${url}`, `${other}; ${cookie}x`), 401, 'with a longer one')
  t.equal(await status(`${second.url}${url}`, cookie), 200, 'its own browser comes back')
})

t.test('the cookie alone opens nothing', async t => {
  const { url } = await ticket('/api/events')
  const stream = await openStream(t, `${first.url}${url}`)
  const cookie = cookieOf(stream.response.headers['set-cookie'])

  for (const path of ['/api/events', '/api/events?ticket=', '/api/items', '/api/events?ticket=nobodys']) {
    t.equal(await status(`${first.url}${path}`, cookie), 401, path)
  }
})

// Attack: a ticket for a harmless stream is taken to another one, or to a route that changes something.
t.test('a ticket works only for its path, and only to read it', async t => {
  const made = await job()
  const { ticket: text } = await ticket(`/api/jobs/${made}/events`)
  const elsewhere = [
    `/api/events?ticket=${text}`,
    `/api/jobs/${made}/events/?ticket=${text}`,
    `/api/jobs/${made.toUpperCase()}/events?ticket=${text}`,
    `//api/jobs/${made}/events?ticket=${text}`,
    `/runner-jobs/${made}/events/stream?ticket=${text}`,
    `/api/jobs/${made}?ticket=${text}`,
    `/api/items?ticket=${text}`,
    `/api/jobs/${made}/events?ticket=${text}&ticket=${text}`,
    `/api/jobs/${made}/events?ticket=${text}&token=${token()}`,
    `/api/jobs/${made}/events?ticket[]=${text}`,
    `/api/jobs/${made}/events?ticket=${text}%00`,
    `/api/jobs/${made}/events?ticket=${text.toLowerCase() === text ? text.toUpperCase() : text.toLowerCase()}`,
  ]

  for (const path of elsewhere) {
    const refused = await status(`${first.url}${path}`)
    t.ok([400, 401, 404].includes(refused), `${refused} ${path}`)
  }
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const response = await fetch(`${first.url}/api/jobs/${made}/events?ticket=${text}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: '{"type":"a.b","data":{}}',
    })
    t.ok([400, 401, 405].includes(response.status), `${method} ${response.status}`)
    await response.text()
  }
  t.equal(await status(`${first.url}/api/jobs/${made}/events?ticket=${text}`), 200, 'its path is still open')
})

// Attack: a viewer asks for a ticket to more than they may have, or to somebody else's.
t.test('a ticket allows no more than its principal may do', async t => {
  for (const path of [
    '/api/items',
    '/api/keys',
    '/api/audit',
    'https://evil.example/api/events',
    '//evil.example/api/events',
    '/api/events/../items',
    '/api/events#x',
    '/api/events?token=a.b.c',
    '/api/events?ticket=x',
    '/%61pi/events',
    '/api/events\r\nSet-Cookie: a=b',
    '',
  ]) {
    const response = await ask(path)
    t.equal(response.status, 400, path)
    await response.text()
  }
  const runner = await ask('/api/events', as('runner'))
  t.equal(runner.status, 403)
  t.equal((await ask('/api/events', {})).status, 401)
  const foreign = await ask('/api/events', { cookie: `sluice_browser=${'A'.repeat(43)}` })
  t.equal(foreign.status, 401, 'with a cookie alone')
})

// Attack: the thief waits until the owner has been locked out, and uses what was made before.
t.test('a ticket ends with the credentials that it was made from', async t => {
  const mallory = bearer(token({ sub: 'mallory', iat: Math.floor(Date.now() / 1_000) - 10 }))
  const unused = await ticket('/api/events', mallory)
  const used = await ticket('/api/events', mallory)
  const stream = await openStream(t, `${second.url}${used.url}`)
  const cookie = cookieOf(stream.response.headers['set-cookie'])

  const revoked = await fetch(`${first.url}/api/revocations`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ subject: 'mallory' }),
  })

  t.equal(revoked.status, 201)
  await stream.ended()
  for (const { url } of [first, second]) {
    await until('the other gateway to know', async () => (await status(`${url}${unused.url}`)) === 401)
    t.equal(await status(`${url}${used.url}`, cookie), 401, 'the one that was used, with its cookie')
  }
})

async function ask(path: string, headers: Record<string, string> = as('viewer')): Promise<Response> {
  return await fetch(`${first.url}/api/stream-tickets`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ path }),
  })
}

async function ticket(
  path: string,
  headers?: Record<string, string>,
): Promise<{ ticket: string; url: string }> {
  const response = await ask(path, headers)
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  return Object(await response.json())
}

/** Of a stream; it is left again at once. */
async function status(url: string, cookie?: string): Promise<number> {
  const gone = new AbortController()
  const headers = { accept: 'text/event-stream', ...(cookie !== undefined && { cookie }) }
  const response = await fetch(url, { headers, signal: gone.signal })
  gone.abort()
  return response.status
}

function cookieOf(headers: readonly string[] | undefined): string {
  return headers?.find(header => header.startsWith('sluice_browser='))?.split(';')[0] ?? ''
}

async function job(): Promise<string> {
  const response = await fetch(`${first.url}/api/jobs`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: '{"kind":"build","started":true}',
  })
  return Object(await response.json()).id
}
