/**
 * Row-level security behind the gateway's check of grants: with that check taken out, the database still shows a caller nothing of
 * a stream that its grants leave out, and all of the granted ones.
 */
import t, { type Test } from 'tap'
import { Grants } from '../../../../src/auth/grants/grants.js'
import { reachOf } from '../../../../src/auth/grants/reach.js'
import { inWorkspace } from '../../../../src/database/workspace.js'
import { listStreams } from '../../../../src/streams/stream-list.js'
import { exportWorkspace } from '../../../../src/workspaces/workspace-export.js'
import { openStream } from '../../../harness/event-stream.js'
import { type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { type Asked, caller, Requests } from './requests.js'

const ALL = {
  within: <Filter>(wanted: Filter) => wanted,
  includes: () => true,
  assertType: () => undefined,
  assertHeldBy: () => undefined,
}

/** Routes that read for one caller. The caller of `feed` needs the feed, which the lists of others must not need. */
const READS = [
  'GET /api/events',
  'GET /api/events/:id',
  'GET /api/latest',
  'GET /api/items',
  'GET /api/items/:part_number',
  'GET /api/items/:part_number/revisions',
  'GET /api/jobs',
  'GET /api/jobs/:id',
  'GET /api/jobs/:id/events',
  'GET /api/executions/:executionId',
  'GET /api/executions/:executionId/events',
  'GET /api/v1/runs/:runId',
  'GET /api/v1/runs/:runId/events',
  'GET /runner-jobs/:id/events/stream',
  'GET /projects/:id/events',
  'POST /api/events/redact',
  'POST /api/events/:id/redact',
]

t.test('the database refuses what the gateway would show', async t => {
  const gateway = await startGateway(t)
  const requests = new Requests(gateway).all
  const without = withoutCheck(gateway)
  const found: Record<string, unknown> = {}
  const expected: Record<string, unknown> = {}

  for (const route of READS) {
    const asked = await requests[route]?.()
    if (!asked) throw new Error(`${route} has no request.`)
    const ask = (grants: object) => answer(gateway, route, asked, grants)
    const { exact, prefix } = asked
    // A reader of the stream keeps it open for the second half.
    const holder = route === 'GET /api/events' ? await holds(t, gateway, asked) : undefined
    without(true)
    found[route] = {
      foreign: await ask({ subscribe: ['other/*'], publish: [exact] }),
      nothing: await ask({}),
      exact: await ask({ subscribe: [exact] }),
      prefix: await ask({ subscribe: [prefix] }),
      all: await ask({ subscribe: ['*'] }),
    }
    without(false)
    holder?.close()
    expected[route] = { foreign: 'hidden', nothing: 'hidden', exact: 'shown', prefix: 'shown', all: 'shown' }
  }

  t.strictSame(found, expected)
})

t.test('a live stream does not open either, whether somebody follows it or not', async t => {
  const gateway = await startGateway(t)
  const asked = await new Requests(gateway).all['GET /api/events']?.()
  if (!asked) throw new Error('No request.')
  withoutCheck(gateway)(true)
  const open = (grants: object) =>
    openStream(t, `${gateway.url}${asked.path}&from=beginning`, { headers: caller('viewer', grants) })

  const first = await open({ subscribe: ['other/*'] })
  const granted = await open({ subscribe: [asked.exact] })
  await granted.until(1)
  const second = await open({ subscribe: ['other/*'] })

  t.equal(first.response.statusCode, 404)
  t.equal(granted.response.statusCode, 200)
  t.equal(second.response.statusCode, 404)
})

t.test('the statements of one reader show granted streams and jobs only, and their events', async t => {
  const gateway = await startGateway(t)
  const { app } = gateway
  for (const stream of ['orders/1', 'orders/2', 'users/1', 'feed'])
    await publish(gateway, { type: 'a.made', data: {} }, { stream })
  const job = (id: string, project?: string) =>
    app.jobs.create({ workspace: 'acme', id: 'ada' }, { id, project, kind: 'k', payload: {} } as never)
  await job('one', 'web/1')
  await job('two', 'web')
  await job('three')
  const within = reachOf({
    workspace: 'acme',
    grants: Grants.of({ subscribe: ['orders/*', 'job:three', 'project/web%2F1/*'] }),
  })
  const names = async (sql: string) => {
    const { rows } = await inWorkspace(app.database, within, client => client.query<{ name: string }>(sql))
    return rows.map(({ name }) => name)
  }

  const listed = await listStreams(app.database, within, { limit: 100 }, () => 0)
  let lines = ''
  await exportWorkspace(app.database, within, async text => {
    lines += text
  })

  const streams = ['job:one', 'job:three', 'orders/1', 'orders/2']
  t.strictSame(await names('select name from sluice.streams order by name'), streams)
  t.strictSame(await names('select name from sluice.jobs order by name'), ['one', 'three'])
  t.strictSame(
    listed.streams.map(({ name }) => name),
    streams,
  )
  const exported = lines.split('\n').filter(line => line.includes('"kind":"event"'))
  t.strictSame([...new Set(exported.map(line => JSON.parse(line).stream))], streams)
  t.notMatch(lines, 'users/1')
})

/** Makes the one place that decides on grants allow everything, and back. */
function withoutCheck({ app }: Gateway) {
  const real = { ...app.grants }
  const open = {
    of: () => undefined,
    toRead: async () => ALL,
    toPublish: async () => ALL,
    reads: async () => true,
  }
  return (off: boolean) => Object.assign(app.grants, off ? open : real)
}

async function holds(t: Test, gateway: Gateway, { path }: Asked) {
  const headers = caller('viewer')
  const stream = await openStream(t, `${gateway.url}${path}&from=beginning`, { headers })
  await stream.until(1)
  return stream
}

async function answer(gateway: Gateway, route: string, asked: Asked, grants: object): Promise<string> {
  const [method = ''] = route.split(' ')
  const live = /stream$|\/events$/.test(route) && route !== 'GET /api/events'
  const response = await fetch(`${gateway.url}${asked.path}`, {
    method,
    headers: {
      accept: live ? 'text/event-stream' : 'application/json',
      ...caller(method === 'POST' ? 'admin' : 'viewer', grants),
      ...(asked.body && { 'content-type': 'application/json' }),
    },
    ...(asked.body && { body: JSON.stringify(asked.body) }),
  })
  const text = await response.text()
  if (response.status === 404) return 'hidden'
  const list = live ? undefined : JSON.parse(text).jobs
  return response.ok && list?.length !== 0 ? 'shown' : response.ok ? 'hidden' : text
}
