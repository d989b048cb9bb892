import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { movableClock } from '../../harness/clock.js'
import { openStream } from '../../harness/event-stream.js'
import { as, BEHIND_PROXY, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'

interface Issued {
  readonly ticket: string
  readonly expires_at: string
  readonly url: string
}

type Asked = Pick<Gateway, 'url'>

async function ask(gateway: Asked, path: string, headers: Record<string, string> = as('viewer')) {
  return await fetch(`${gateway.url}/api/stream-tickets`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ path }),
  })
}

async function ticketFor(gateway: Asked, path: string, headers?: Record<string, string>): Promise<Issued> {
  const answer = await ask(gateway, path, headers)
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as Issued
}

/** The cookie that an answer sets, as a browser would send it back. */
function cookieOf(value: string | string[] | null | undefined): string {
  return [value].flat()[0]?.split(';')[0] ?? ''
}

async function spend(t: Test, gateway: Asked, url: string, cookie = '') {
  const stream = await openStream(t, gateway.url + url, { headers: cookie ? { cookie } : {} })
  return {
    stream,
    status: stream.response.statusCode,
    cookie: cookieOf(stream.response.headers['set-cookie']),
  }
}

async function post(gateway: Asked, path: string, body: object) {
  return await fetch(gateway.url + path, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function refusal(url: string, init: RequestInit = {}) {
  const answer = await fetch(url, init)
  return { status: answer.status, ...((await answer.json()) as { code: string; detail: string }) }
}

t.test('with one gateway', async t => {
  const gateway = await startGateway(t, { env: BEHIND_PROXY })
  const { url } = gateway

  t.test('a new ticket comes with its URL and its expiry, and no cache may keep it', async t => {
    const answer = await ask(gateway, '/api/events?types=thing.*')
    const { ticket, expires_at, url } = (await answer.json()) as Issued

    t.equal(answer.status, 201)
    t.equal(answer.headers.get('cache-control'), 'no-store')
    t.match(ticket, /^[A-Za-z0-9_-]{43}$/)
    t.equal(url, `/api/events?types=thing.*&ticket=${ticket}`)
    t.ok(Date.parse(expires_at) > Date.now())
  })

  t.test('a ticket opens the stream that it was requested for, with the same parameters', async t => {
    const issued = await ticketFor(gateway, '/api/events?types=thing.*&from=now')
    const { stream, status } = await spend(t, gateway, issued.url)

    await publish(gateway, [
      { type: 'other.made', data: {} },
      { type: 'thing.made', data: { n: 1 } },
    ])

    t.equal(status, 200)
    t.match(await stream.until(1, 'thing.made'), [{ data: '{"n":1}' }])
    t.notOk(stream.messages.some(({ event }) => event === 'other.made'))
  })

  t.test('a spent ticket opens the stream again only for the browser that spent it', async t => {
    const issued = await ticketFor(gateway, '/api/events')
    const { status, cookie } = await spend(t, gateway, issued.url)
    const others = await ticketFor(gateway, '/api/events')
    const other = await spend(t, gateway, others.url)

    t.equal(status, 200)
    t.match(cookie, /^sluice_browser=[A-Za-z0-9_-]{43}$/)
    t.equal((await spend(t, gateway, issued.url, cookie)).status, 200)
    t.equal((await spend(t, gateway, `${issued.url}&last_event_id=0`, cookie)).status, 200)
    for (const headers of [{}, { cookie: other.cookie }, { cookie: 'sluice_browser=' }]) {
      t.match(await refusal(url + issued.url, { headers }), { status: 401, code: 'ticket-invalid' })
    }
  })

  // A browser with many streams must not collect cookies, nor lose one stream by opening another.
  t.test('a browser has one cookie from the first answer on, whichever of its users asks', async t => {
    const first = await ask(gateway, '/api/events')
    const cookie = cookieOf(first.headers.get('set-cookie'))
    const again = await ask(gateway, '/api/events', { ...as('editor', 'other'), cookie })
    const streams = await Promise.all(
      [first, again].map(async answer => spend(t, gateway, ((await answer.json()) as Issued).url, cookie)),
    )

    t.match(cookie, /^sluice_browser=/)
    t.equal(again.headers.get('set-cookie'), null)
    t.same(
      streams.map(stream => [stream.status, stream.cookie]),
      [
        [200, ''],
        [200, ''],
      ],
    )
  })

  t.test('every route with a live stream accepts tickets, and so does a page', async t => {
    const created = await fetch(`${url}/api/jobs`, {
      method: 'POST',
      headers: { ...as('editor'), 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'command', project: 'site', payload: { command: 'true' } }),
    })
    const { id } = (await created.json()) as { id: string }

    for (const path of [`/api/jobs/${id}/events`, `/projects/site/events?stream_id=${id}`]) {
      const { stream, status } = await spend(t, gateway, (await ticketFor(gateway, path)).url)
      t.equal(status, 200, path)
      await stream.until(1)
    }
    const page = await ticketFor(gateway, '/api/events?limit=1')
    const read = await fetch(url + page.url, { headers: { accept: 'application/json' } })
    t.match(await read.json(), { events: [{ position: 1 }] })
  })

  t.test('the last event of a job reaches a browser that reconnects with a spent ticket', async t => {
    const created = await fetch(`${url}/api/jobs`, {
      method: 'POST',
      headers: { ...as('editor'), 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'command', payload: {} }),
    })
    const { id } = (await created.json()) as { id: string }
    const issued = await ticketFor(gateway, `/api/jobs/${id}/events`)
    const { stream, cookie } = await spend(t, gateway, issued.url)
    await fetch(`${url}/api/jobs/${id}/cancel`, { method: 'POST', headers: as('editor') })
    await stream.ended()
    const lastEventId = stream.messages.at(-1)?.id ?? ''

    const answer = await fetch(url + issued.url, { headers: { cookie, 'last-event-id': lastEventId } })

    t.equal(answer.status, 204)
  })

  // Attack: a ticket that leaks is tried elsewhere.
  t.test('a ticket opens no other stream and no other route', async t => {
    const issued = await ticketFor(gateway, '/api/events')
    const moved = { status: 401, code: 'ticket-invalid' }

    t.match(await refusal(`${url}/api/jobs/${randomUUID()}/events?ticket=${issued.ticket}`), moved)
    t.match(await refusal(`${url}/api/v1/runs/${randomUUID()}/events?ticket=${issued.ticket}`), moved)
    t.match(await refusal(`${url}/api/items?ticket=${issued.ticket}`), { code: 'token-missing' })
    t.match(await refusal(`${url}/api/items?ticket=${issued.ticket}`, { headers: as('viewer') }), {
      status: 400,
      code: 'invalid-request',
    })
    t.match(await refusal(`${url}/api/events`, { headers: bearer(issued.ticket) }), { code: 'key-invalid' })
    t.equal((await spend(t, gateway, issued.url)).status, 200, 'and is not spent by that')
  })

  // Attack: two answers that differ would tell which tickets there are, and which of them were used.
  t.test('every bad ticket gets the same answer', async t => {
    const spent = await ticketFor(gateway, '/api/events')
    await spend(t, gateway, spent.url)
    const over = await ticketFor(gateway, '/api/events')
    await gateway.app.database.query(
      `update sluice.stream_tickets set good_until = clock_timestamp() where browser_hash is null`,
    )

    const answers = await Promise.all(
      [spent.ticket, over.ticket, 'x', '', spent.ticket.toLowerCase(), 'A'.repeat(43), '%00'].map(ticket =>
        refusal(`${url}/api/events?ticket=${ticket}`, { headers: { 'x-request-id': 'same' } }),
      ),
    )

    t.equal(answers[0]?.status, 401)
    for (const answer of answers) t.strictSame(answer, answers[0])
    t.match(answers[0]?.detail, /POST \/api\/stream-tickets/)
  })

  t.test('a ticket with another credential is refused, and can still be used', async t => {
    const issued = await ticketFor(gateway, '/api/events')
    const two = { status: 400, code: 'two-credentials' }

    t.match(await refusal(url + issued.url, { headers: as('viewer') }), two)
    t.match(await refusal(url + issued.url, { headers: { 'x-api-key': 'slk_x' } }), two)
    t.match(await refusal(`${url}${issued.url}&token=${token()}`), two)
    t.match(await refusal(`${url}${issued.url}&ticket=${issued.ticket}`), two)
    t.equal((await spend(t, gateway, issued.url)).status, 200)
  })

  // Chat programs and mail filters look at links before people do.
  t.test('a HEAD does not spend a ticket', async t => {
    const issued = await ticketFor(gateway, '/api/events')

    const looked = await fetch(url + issued.url, { method: 'HEAD' })

    t.equal(looked.status, 401)
    t.equal(looked.headers.get('set-cookie'), null)
    t.equal((await spend(t, gateway, issued.url)).status, 200)
  })

  t.test('tickets exist only for paths of streams', async t => {
    for (const path of [
      '/api/items',
      '/health',
      '/',
      '//api/events',
      '/api/events?token=x',
      'https://evil.example/',
    ]) {
      t.match(await (await ask(gateway, path)).json(), { status: 400, code: 'invalid-path' }, path)
    }
    for (const body of ['{}', '{"path":7}', '{"path":"/api/events","role":"admin"}', '[]']) {
      const answer = await fetch(`${url}/api/stream-tickets`, {
        method: 'POST',
        headers: { ...as('viewer'), 'content-type': 'application/json' },
        body,
      })
      t.match(await answer.json(), { status: 400, code: 'invalid-request' }, body)
    }
  })

  t.test('a principal that may follow no stream gets no ticket', async t => {
    t.match(await (await ask(gateway, '/api/events', as('runner'))).json(), {
      status: 403,
      code: 'role-too-low',
    })
    t.match(await (await ask(gateway, '/api/events', {})).json(), { status: 401, code: 'token-missing' })
    const inUrl = await refusal(`${url}/api/stream-tickets?token=${token()}`, { method: 'POST' })
    t.equal(inUrl.code, 'token-missing', 'nor who shows a token in the URL')
  })

  t.test('a stream that a ticket opened ends with the credentials that requested it', async t => {
    const clock = movableClock(t)
    const credentials = bearer(token({ exp: secondsFromNow(20) }))
    const issued = await ticketFor(gateway, '/api/events', credentials)
    const { stream, cookie } = await spend(t, gateway, issued.url)

    clock.forward(20_000)
    await stream.until(1, 'auth-expired')

    t.ok(await stream.ended())
    t.match(await refusal(url + issued.url, { headers: { cookie } }), { status: 401, code: 'ticket-invalid' })
  })

  t.test('after a revocation no ticket opens a stream, spent or not', async t => {
    const mallory = bearer(token({ sub: 'mallory' }))
    const spent = await ticketFor(gateway, '/api/events', mallory)
    const unspent = await ticketFor(gateway, '/api/events', mallory)
    const { stream, cookie } = await spend(t, gateway, spent.url)

    const revoked = await post(gateway, '/api/revocations', { subject: 'mallory' })
    await stream.until(1, 'auth-revoked')

    t.equal(revoked.status, 201)
    for (const issued of [spent, unspent]) {
      t.match(await refusal(url + issued.url, { headers: { cookie } }), {
        status: 401,
        code: 'token-revoked',
      })
    }
  })

  t.test('revoking a key ends its streams and tickets', async t => {
    const made = await post(gateway, '/api/keys', { name: 'page', role: 'viewer' })
    const { id, key } = (await made.json()) as { id: string; key: string }
    const issued = await ticketFor(gateway, '/api/events', { 'x-api-key': key })
    const { stream, status, cookie } = await spend(t, gateway, issued.url)

    await fetch(`${url}/api/keys/${id}`, { method: 'DELETE', headers: as('admin') })
    await stream.ended()

    t.equal(status, 200)
    t.match(await refusal(url + issued.url, { headers: { cookie } }), { status: 401 })
  })

  // Attack (I7): the ticket of one workspace is used to look into another.
  t.test('a ticket shows the workspace of its principal', async t => {
    const issued = await ticketFor(gateway, '/api/events', as('viewer', 'other'))
    const { stream } = await spend(t, gateway, issued.url)

    await publish(gateway, { type: 'thing.made', data: { of: 'acme' } })
    await publish(gateway, { type: 'thing.made', data: { of: 'other' } }, { workspace: 'other' })

    t.match(await stream.until(1, 'thing.made'), [{ data: '{"of":"other"}' }])
  })

  t.test('tickets are issued in maintenance, because streams go on', async t => {
    const switchTo = (mode: string) =>
      fetch(`${url}/api/server/state`, {
        method: 'PUT',
        headers: { ...as('admin'), 'content-type': 'application/json' },
        body: JSON.stringify({ mode }),
      })
    await switchTo('maintenance')

    const answer = await ask(gateway, '/api/events')

    t.equal(answer.status, 201)
    await switchTo('normal')
  })
})

t.test('a ticket of one gateway works on the other, once in total', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const issued = await ticketFor(one, '/api/events')

  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => spend(t, n % 2 ? one : two, issued.url)),
  )

  const won = answers.filter(({ status }) => status === 200)
  t.equal(won.length, 1)
  t.equal(answers.filter(({ status }) => status === 401).length, 49)
  for (const gateway of [one, two]) {
    t.equal((await spend(t, gateway, issued.url, won[0]?.cookie)).status, 200, 'and there it goes on')
  }
})

t.test('behind an HTTPS proxy the cookie is limited to HTTPS and this host', async t => {
  const gateway = await startGateway(t, { env: { TRUSTED_PROXIES: '127.0.0.1' } })
  const issued = await ticketFor(gateway, '/api/events')
  const https = { 'x-forwarded-proto': 'https' }
  const { response } = await openStream(t, gateway.url + issued.url, { headers: https })
  const [set = ''] = response.headers['set-cookie'] ?? []

  t.match(set, /^__Host-sluice_browser=\S{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/)
  const headers = { ...https, cookie: cookieOf(set) }
  t.equal((await openStream(t, gateway.url + issued.url, { headers })).response.statusCode, 200)
})

// The status of any other answer would end an EventSource for good.
t.test(
  'without the database an EventSource gets a retry time, and connects when the database is back',
  async t => {
    const { url: databaseUrl } = await startGateway(t).then(({ databaseUrl }) => ({ url: databaseUrl }))
    const proxy = await startProxy(t, databaseUrl)
    const gateway = await startGateway(t, { databaseUrl: proxy.url })
    const issued = await ticketFor(gateway, '/api/events')
    await proxy.unplug()

    const { stream, status, cookie } = await spend(t, gateway, issued.url)
    await stream.ended()
    const page = await refusal(gateway.url + issued.url, { headers: { accept: 'application/json' } })
    await proxy.plugIn()

    t.equal(status, 200)
    t.equal(stream.response.headers['content-type'], 'text/event-stream')
    t.match(stream.messages, [{ event: 'unavailable', data: '{"reason":"database"}' }])
    t.equal(stream.retries.length, 1)
    t.match(page, { status: 503, code: 'database-unavailable' })
    t.equal((await spend(t, gateway, issued.url, cookie)).status, 200)
  },
)

t.test('tickets are accepted even if `?token=` is off', async t => {
  const gateway = await startGateway(t, { env: { QUERY_TOKEN: 'off' } })
  const issued = await ticketFor(gateway, '/api/events')

  t.equal((await spend(t, gateway, issued.url)).status, 200)
  t.match(await refusal(`${gateway.url}/api/events?token=${token()}`), { code: 'token-missing' })
})
