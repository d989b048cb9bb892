/** A key whose grants become narrower while its requests are open in another process: lines, an upload, and a waiting claim. */
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { grantOn } from '../../../../src/auth/grants/stream-grant.js'
import type { Principal } from '../../../../src/auth/principal.js'
import { Problem } from '../../../../src/problems/problem.js'
import { as, type Gateway, startGateway } from '../../../harness/gateway.js'
import { bearer } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const ALL_JOBS = { subscribe: ['job:*'], publish: ['job:*'] }
const NO_JOB = { subscribe: ['rooms/1'], publish: ['rooms/1'] }

t.test('each ends with the refusal of a new request, and nothing was written meanwhile', async t => {
  const one = await startGateway(t)
  const two = await startGateway(t, { databaseUrl: one.databaseUrl })
  const [editor, runner] = await Promise.all(['editor', 'runner'].map(role => keyOf(one, role)))
  await call(one, 'POST', '/api/jobs', as('editor'), { id: 'a', kind: 'build', started: true })

  const lines = await fetch(`${two.url}/api/jobs/a/events`, {
    headers: { ...bearer(editor?.key ?? ''), accept: 'application/x-ndjson' },
  })
  const received = lines.text()
  const upload = start(two, 'POST', '/api/jobs/a/events', {
    ...bearer(editor?.key ?? ''),
    'content-type': 'application/x-ndjson',
  })
  upload.asked.write('{"type":"step.done","data":{}}\n')
  const claim = call(two, 'POST', '/api/jobs/claim', bearer(runner?.key ?? ''), {
    runner: 'r',
    wait_ms: 30_000,
  })
  await until('the upload and the claim are open', () => two.app.guard.watched === 2)
  await until('a line is stored', async () => (await typesOf(one)).includes('step.done'))

  for (const key of [editor, runner])
    await call(one, 'PATCH', `/api/keys/${key?.id}`, as('admin'), { grants: NO_JOB })
  await until('none is open', () => two.app.guard.watched === 0)
  upload.asked.on('error', () => {})
  upload.asked.write('{"type":"step.late","data":{}}\n')
  upload.asked.end()
  await call(one, 'POST', '/api/jobs', as('editor'), { id: 'b', kind: 'build' })

  t.match(await received, /step\.done/)
  t.match(await upload.answer, { status: 403, body: { code: 'publish-not-granted' } })
  t.match(await claim, { status: 503, body: { code: 'grants-changed' } })
  t.notOk((await typesOf(one)).includes('step.late'))
  t.match(await call(one, 'GET', '/api/jobs/b', as('viewer')), { body: { status: 'queued' } })
  const again = await call(two, 'POST', '/api/jobs/claim', bearer(runner?.key ?? ''), { runner: 'r' })
  t.equal(again.status, 204)
})

t.test('a stream is not opened with grants that became narrower after the request was checked', async t => {
  const gateway = await startGateway(t)
  const { id, key } = await keyOf(gateway, 'viewer')
  const { guard } = gateway.app
  const opened = await fetch(`${gateway.url}/api/jobs?limit=1`, { headers: bearer(key) })
  const principal: Principal = {
    id: `key:${id}`,
    workspace: 'acme',
    role: 'viewer',
    expiresAt: Number.POSITIVE_INFINITY,
    issuedAt: 0,
    credential: { kind: 'key', id },
  }
  const granted = grantOn(undefined, {
    action: 'subscribe',
    names: ['job:a'],
    types: [],
    refusal: () => new Problem(404, 'not-found', 'There is no such job.'),
  })
  t.equal(opened.status, 200)
  t.ok(guard.admit(principal, ['viewer'], granted))

  await call(gateway, 'PATCH', `/api/keys/${id}`, as('admin'), { grants: NO_JOB })

  await until('the guard knows', () => guard.current(principal).grants?.subscribe.matches('rooms/1') === true)
  t.throws(() => guard.admit(principal, ['viewer'], granted), { code: 'not-found' })
  t.ok(guard.admit(principal, ['viewer']))
})

async function keyOf(gateway: Gateway, role: string): Promise<{ id: string; key: string }> {
  return (await call(gateway, 'POST', '/api/keys', as('admin'), { name: role, role, grants: ALL_JOBS })).body
}

async function typesOf(gateway: Gateway): Promise<string[]> {
  const headers = { ...as('viewer'), accept: 'application/json' }
  const { body } = await call(gateway, 'GET', '/api/jobs/a/events', headers)
  return body.events.map(({ type }: { type: string }) => type)
}

async function call(
  gateway: Gateway,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: object,
) {
  const { asked, answer } = start(gateway, method, path, {
    ...headers,
    ...(body && { 'content-type': 'application/json' }),
  })
  asked.end(body && JSON.stringify(body))
  return answer
}

function start({ url }: Gateway, method: string, path: string, headers: Record<string, string>) {
  const asked = request(`${url}${path}`, { method, headers })
  const answer = new Promise<{ status: number | undefined; body: ReturnType<typeof JSON.parse> }>(
    (resolve, reject) => {
      asked.on('error', reject)
      asked.on('response', async response => {
        const body = await text(response)
        resolve({ status: response.statusCode, body: body === '' ? undefined : JSON.parse(body) })
      })
    },
  )
  return { asked, answer }
}
