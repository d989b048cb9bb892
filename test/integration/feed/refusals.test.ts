import t from 'tap'
import { openStream } from '../../harness/event-stream.js'
import { as, BEHIND_PROXY, publish, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

t.test('bad queries are refused, each with its reason', async t => {
  const gateway = await startGateway(t)
  const stream = 'text/event-stream'
  const json = 'application/json'
  const cases: [accept: string, query: string, status: number, code: string, detail: RegExp][] = [
    [stream, 'envelope=cloud', 400, 'invalid-request', /envelope/],
    [stream, 'cursors=1', 400, 'invalid-request', /cursors/],
    [stream, 'lastEventId=1&lastEventId=2', 400, 'invalid-request', /last_event_id/],
    [json, 'colour=red', 400, 'invalid-request', /colour/],
    [json, 'lastEventId=3', 400, 'invalid-request', /lastEventId/],
    [json, 'envelope=message', 400, 'invalid-request', /envelope.*live/],
    ['application/x-ndjson', 'limit=1&colour=red', 400, 'invalid-request', /colour/],
    [stream, 'types=', 400, 'invalid-types', /asterisk/],
    [stream, 'types=a%0d%0ab', 400, 'invalid-types', /asterisk/],
    [stream, 'types=*.created', 400, 'invalid-types', /asterisk/],
    [stream, 'where=', 400, 'invalid-where', /character 1\. /],
    [stream, 'where=data.a%20%3D%201', 400, 'invalid-where', /character 8\..*eq/],
    [json, 'where=data.a+eq+%27x%27', 400, 'invalid-where', /character 11\..*double quotes/],
    [json, `where=${'x'.repeat(4_097)}`, 400, 'invalid-request', /where/],
    [stream, 'from=yesterday', 400, 'invalid-event-id', /from/],
    [stream, 'last=-1', 400, 'invalid-request', /last/],
    [stream, 'last=ten', 400, 'invalid-request', /last/],
    [stream, 'after=1', 400, 'invalid-request', /after.*pages/],
    [stream, 'wait=1s', 400, 'invalid-request', /wait.*pages/],
    [stream, 'stream=no%20such', 400, 'invalid-request', /stream/],
    [stream, 'stream=missing', 404, 'not-found', /no such stream/],
    [json, 'last=3', 400, 'invalid-request', /last.*live/],
    [json, 'last_event_id=3', 400, 'invalid-request', /last_event_id.*live/],
    [json, 'after=x', 400, 'invalid-event-id', /after/],
    [json, 'limit=0', 400, 'invalid-request', /limit/],
    [json, 'limit=1001', 400, 'invalid-request', /limit/],
    [json, 'wait=soon', 400, 'invalid-request', /wait/],
    [json, 'wait=61s', 400, 'invalid-request', /wait.*60s/],
    ['image/png', '', 406, 'not-acceptable', /text\/event-stream/],
  ]

  for (const [accept, query, status, code, detail] of cases) {
    const response = await fetch(`${gateway.url}/api/events?${query}`, {
      headers: { ...as('viewer'), accept },
    })
    const problem = (await response.json()) as { detail: string; errors?: unknown }

    t.match({ status: response.status, ...problem }, { status, code }, `${accept} ${query}`)
    t.match(`${problem.detail} ${JSON.stringify(problem.errors)}`, detail)
    t.match(response.headers.get('content-type'), /^application\/problem\+json/)
  }
})

t.test('streams over the limit are refused inside the stream', async t => {
  const gateway = await startGateway(t, { env: { MAX_STREAMS: '1' } })
  await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  const refused = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  t.equal(refused.response.statusCode, 200)
  t.equal(refused.response.headers.connection, 'close', 'the next attempt may reach a process with room')
  t.ok(await refused.ended())
  t.match(refused.messages, [{ event: 'unavailable', data: '{"reason":"limit"}' }])
  t.equal(refused.retries.length, 1)
  const lines = await fetch(`${gateway.url}/api/events`, {
    headers: { ...as('viewer'), accept: 'application/x-ndjson' },
  })
  t.equal(lines.status, 503, 'where there is no way to say it in the stream')
  t.ok(lines.headers.get('retry-after'))
})

t.test('streams over the rate limit are refused inside the stream too', async t => {
  const gateway = await startGateway(t, { env: { RATE_LIMIT_MAX: '1' } })
  await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  const refused = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  t.equal(refused.response.statusCode, 200)
  t.match(await refused.until(1), [{ event: 'unavailable' }])
})

t.test('a client that may not follow gets a status instead of a stream', async t => {
  const gateway = await startGateway(t)
  const accept = { accept: 'text/event-stream' }

  const nobody = await fetch(`${gateway.url}/api/events`, { headers: accept })
  const runner = await fetch(`${gateway.url}/api/events?token=${token({ role: 'runner' })}`, {
    headers: accept,
  })

  t.equal(nobody.status, 401)
  t.equal(runner.status, 403)
})

t.test('a token in the URL opens a stream, unless that is switched off', async t => {
  const gateway = await startGateway(t)
  const strict = await startGateway(t, { databaseUrl: gateway.databaseUrl, env: { QUERY_TOKEN: 'off' } })

  const stream = await openStream(t, `${gateway.url}/api/events?token=${token()}`)
  const refused = await fetch(`${strict.url}/api/events?token=${token()}`, {
    headers: { accept: 'text/event-stream' },
  })

  t.match(await stream.until(1), [{ event: 'server.state' }])
  t.equal(refused.status, 401)
})

t.test('another workspace’s stream and event look like ones that do not exist', async t => {
  const gateway = await startGateway(t, { env: BEHIND_PROXY })
  await publish(gateway, { type: 'secret', data: {} }, { workspace: 'globex', stream: 'plans' })
  const [foreign] = await publish(gateway, { type: 'secret', data: {} }, { workspace: 'globex' })
  const headers = { ...as('viewer'), 'x-request-id': 'same' }
  const body = async (path: string) => {
    const response = await fetch(`${gateway.url}${path}`, { headers })
    return [response.status, await response.text()]
  }

  t.same(await body('/api/events?stream=plans'), await body('/api/events?stream=nothing'))
  t.same(await body(`/api/events/${foreign}`), await body('/api/events/1'))
})
