import t from 'tap'
import { as, startGateway } from './harness/gateway.js'

t.test('whatever is refused, the answer is a problem document with the request’s id', async t => {
  const { url } = await startGateway(t)
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
    t.match(await response.json(), { status, code, requestId: 'r-1' })
  }
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
    'delete /api/items/{part_number} editor',
    'get /api/events viewer',
    'get /api/events/{id} viewer',
    'get /api/items viewer',
    'get /api/items/{part_number} viewer',
    'get /api/items/{part_number}/revisions viewer',
    'get /api/server/state viewer',
    'get /health public',
    'get /ready public',
    'patch /api/items/{part_number} editor',
    'post /api/events editor',
    'post /api/items editor',
    'post /api/items/{part_number}/revisions editor',
    'put /api/server/state admin',
  ])
})
