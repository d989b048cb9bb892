import t from 'tap'
import { as, BEHIND_PROXY, startGateway } from '../../harness/gateway.js'

t.test('whatever is refused, the answer is a problem document with the request’s id', async t => {
  const { url } = await startGateway(t, { env: BEHIND_PROXY })
  const cases: [method: string, path: string, status: number, code: string][] = [
    ['GET', '/api/items/%zz', 400, 'bad-url'],
    ['GET', `/api/items/${'x'.repeat(2_000)}`, 414, 'path-too-long'],
    ['GET', '/api/nothing', 404, 'not-found'],
    ['PUT', '/api/items', 405, 'method-not-allowed'],
    ['GET', '/api/items?colour=red', 400, 'invalid-request'],
    ['GET', '/api/items/A01?colour=red', 400, 'invalid-request'],
    ['GET', '/api/server/state?colour=red', 400, 'invalid-request'],
  ]

  for (const [method, path, status, code] of cases) {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...as('editor'), 'x-request-id': 'r-1' },
    })

    t.match(response.headers.get('content-type'), /^application\/problem\+json/, path)
    t.match(await response.json(), { status, code, request_id: 'r-1' })
  }
})

t.test('closing may take as long as the draining of streams, and longer', async t => {
  const { app } = await startGateway(t, { env: { DRAIN_MS: '60000' } })

  t.ok((app.initialConfig.pluginTimeout ?? 0) > 60_000)
})

t.test('a DELETE may carry the type that a client sets on every request', async t => {
  const { url } = await startGateway(t)
  const headers = { ...as('editor'), 'content-type': 'application/json' }
  const body = JSON.stringify({ part_number: 'A01', description: 'Bracket', item_type: 'part' })
  await fetch(`${url}/api/items`, { method: 'POST', headers, body })

  const deleted = await fetch(`${url}/api/items/A01`, { method: 'DELETE', headers })
  const posted = await fetch(`${url}/api/items`, { method: 'POST', headers })

  t.equal(deleted.status, 204)
  t.match(await posted.json(), { status: 400, code: 'invalid-json' })
})

t.test('the description of the API names every route and its role', async t => {
  const { url } = await startGateway(t)

  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    openapi: string
    paths: Record<string, Record<string, { 'x-sluice-role'?: string }>>
  }

  const roles = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(
      ([method, { 'x-sluice-role': role = 'public' }]) => `${method} ${path} ${role}`,
    ),
  )
  t.equal(document.openapi, '3.1.0')
  t.same(roles.sort(), [
    'delete /api/clients/{connection} admin',
    'delete /api/consumers/{name} editor',
    'delete /api/items/{part_number} editor',
    'delete /api/keys/{id} admin',
    'delete /api/revocations/{id} admin',
    'delete /api/streams/{name} admin',
    'delete /api/webhooks/{id} admin',
    'delete /api/webhooks/{id}/replay admin',
    'delete /projects/{id} admin',
    'delete /v1/stream/__ds/subscriptions/{id} editor',
    'delete /v1/stream/__ds/subscriptions/{id}/streams/{path} editor',
    'delete /v1/stream/{path} editor',
    'get /api/audit admin',
    'get /api/clients admin',
    'get /api/clients/closed admin',
    'get /api/clients/refused admin',
    'get /api/cluster admin',
    'get /api/consumers viewer',
    'get /api/consumers/{name} viewer',
    'get /api/consumers/{name}/events editor',
    'get /api/events viewer',
    'get /api/events/publishers admin',
    'get /api/events/{id} viewer',
    'get /api/executions/{executionId} viewer',
    'get /api/executions/{executionId}/events viewer',
    'get /api/explain admin',
    'get /api/items viewer',
    'get /api/items/{part_number} viewer',
    'get /api/items/{part_number}/revisions viewer',
    'get /api/jobs viewer',
    'get /api/jobs/{id} viewer, runner',
    'get /api/jobs/{id}/events viewer',
    'get /api/keys admin',
    'get /api/latest viewer',
    'get /api/principal viewer, runner',
    'get /api/revocations admin',
    'get /api/server/metrics admin',
    'get /api/server/state viewer',
    'get /api/stream-clients viewer',
    'get /api/streams admin',
    'get /api/streams/{name} admin',
    'get /api/usage admin',
    'get /api/v1/artifacts/{workspace}/{path} public',
    'get /api/v1/runs/{runId} viewer',
    'get /api/v1/runs/{runId}/events viewer',
    'get /api/webhooks admin',
    'get /api/webhooks/{id} admin',
    'get /api/webhooks/{id}/dead-letters admin',
    'get /api/webhooks/{id}/deliveries admin',
    'get /api/workspace admin',
    'get /api/workspace/export admin',
    'get /health public',
    'get /metrics admin',
    'get /projects viewer',
    'get /projects/{id} viewer',
    'get /projects/{id}/events viewer',
    'get /ready public',
    'get /runner-jobs/{id}/events/stream viewer',
    'get /v1/stream/__ds/jwks.json public',
    'get /v1/stream/__ds/subscriptions/{id} viewer',
    'get /v1/stream/{path} viewer',
    'patch /api/items/{part_number} editor',
    'patch /api/keys/{id} admin',
    'patch /api/streams/{name} admin',
    'patch /api/webhooks/{id} admin',
    'patch /api/workspace admin',
    'patch /projects/{id} admin',
    'post /api/consumers/{name}/ack editor',
    'post /api/consumers/{name}/seek editor',
    'post /api/events editor',
    'post /api/events/redact admin',
    'post /api/events/{id}/redact admin',
    'post /api/executions editor',
    'post /api/executions/{executionId}/cancel editor',
    'post /api/executions/{executionId}/events editor, runner',
    'post /api/items editor',
    'post /api/items/{part_number}/revisions editor',
    'post /api/jobs editor',
    'post /api/jobs/claim runner',
    'post /api/jobs/{id}/abort editor, runner',
    'post /api/jobs/{id}/cancel editor',
    'post /api/jobs/{id}/complete editor, runner',
    'post /api/jobs/{id}/events editor, runner',
    'post /api/jobs/{id}/fail editor, runner',
    'post /api/jobs/{id}/heartbeat runner',
    'post /api/jobs/{id}/release runner',
    'post /api/keys admin',
    'post /api/keys/{id}/rotate admin',
    'post /api/revocations admin',
    'post /api/stream-tickets viewer',
    'post /api/streams/{connection}/token viewer',
    'post /api/streams/{name}/close admin',
    'post /api/webhooks admin',
    'post /api/webhooks/{id}/dead-letters/retry admin',
    'post /api/webhooks/{id}/deliveries/{delivery}/retry admin',
    'post /api/webhooks/{id}/pause admin',
    'post /api/webhooks/{id}/replay admin',
    'post /api/webhooks/{id}/resume admin',
    'post /api/webhooks/{id}/rotate-secret admin',
    'post /api/webhooks/{id}/test admin',
    'post /projects admin',
    'post /projects/{id}/shell editor',
    'post /v1/stream/__ds/subscriptions/{id}/ack public',
    'post /v1/stream/__ds/subscriptions/{id}/callback public',
    'post /v1/stream/__ds/subscriptions/{id}/claim editor',
    'post /v1/stream/__ds/subscriptions/{id}/release public',
    'post /v1/stream/__ds/subscriptions/{id}/streams editor',
    'post /v1/stream/{path} editor',
    'put /api/consumers/{name} editor',
    'put /api/server/state admin',
    'put /v1/stream/__ds/subscriptions/{id} editor',
    'put /v1/stream/{path} editor',
  ])
})

t.test('the description of the API suits every generator of clients', async t => {
  const { url } = await startGateway(t)

  const text = await (await fetch(`${url}/openapi.json`)).text()

  const document = JSON.parse(text) as { paths: Record<string, Record<string, { operationId?: string }>> }
  const ids = Object.values(document.paths).flatMap(path =>
    Object.values(path).map(({ operationId }) => operationId),
  )
  t.notOk(ids.includes(undefined))
  t.equal(new Set(ids).size, ids.length)
  t.notMatch(text, /x-openapi|x-form|"(?:if|then|else)":|\{\*\}/)
  // Classes of Unicode, look-around and \u escapes are JavaScript's, or of few engines.
  t.notMatch(text, /"pattern":"[^"]*(?:\\\\[pPu0]|\(\?)/)
})
