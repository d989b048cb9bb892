/** What an application does with the gateway that it mounts: it hears events, revokes principals, and closes. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { type EventSubscription, type SluiceOptions, serverOptions, sluice } from '../../../plugins/sluice.js'
import type { FollowOptions, LogEvent, LogReset } from '../../../src/hub/follow-events.js'
import { jobStream } from '../../../src/jobs/job.js'
import { createDatabase } from '../../harness/database.js'
import { create, EDITOR, finish, run, STORIES } from '../../harness/dialect-story.js'
import { openStream } from '../../harness/event-stream.js'
import { as } from '../../harness/gateway.js'
import { appendEvents, replaceTail } from '../../harness/hub.js'
import { within } from '../../harness/patience.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { temporaryFolder } from '../../harness/server.js'
import { bearer, SECRET, token } from '../../harness/tokens.js'
import { watch } from '../../harness/transcript.js'
import { until } from '../../harness/until.js'

const PATIENCE_MS = 15_000
/** What is promised of all processes. Without NOTIFY, that is ten polls of the log. */
const REVOKED_MS = 5_000

t.test(
  'onEvent goes on after its cursor, after an outage, and after a reset, until the application closes',
  async t => {
    const { url, pool } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    const { app } = await host(t, { databaseUrl: proxy.url })
    const { ids } = await appendEvents(pool, 3)
    const { heard, subscription } = listen(app, { after: ids[0] })
    await until('the events after the cursor', () => heard.length === 2)

    await proxy.unplug()
    const resumed = listen(app, { after: ids[1] })
    await appendEvents(pool, 2)
    await proxy.plugIn()
    await until('the events of the outage', () => heard.length === 4 && resumed.heard.length === 3)
    const { ids: replaced } = await replaceTail(pool, 3, 1)
    await until('the reset', () => heard.at(-1)?.kind === 'reset')
    await appendEvents(pool, 1)
    await until('an event after it', () => heard.length === 6)

    t.match(heard, [
      ...[2, 3, 4, 5].map(position => ({ kind: 'event', position })),
      { kind: 'reset', reason: 'history-lost', head: replaced[0] },
      { kind: 'event', position: 5 },
    ] as object)
    await app.close()
    await ended(subscription)
    await ended(resumed.subscription)
  },
)

t.test('the next event waits for the listener, and none comes after close', async t => {
  const { url, pool } = await createDatabase(t)
  const { app } = await host(t, { databaseUrl: url })
  const heard: (LogEvent | LogReset)[] = []
  let release = () => {}
  await appendEvents(pool, 3)
  const subscription = app.sluice.onEvent({ workspace: 'acme', after: 'beginning' }, event => {
    heard.push(event)
    return new Promise(resolve => {
      release = resolve
    })
  })
  await until('the first event', () => heard.length === 1)

  const closing = Promise.all([subscription.close(), subscription.close()])
  release()
  await within(PATIENCE_MS, closing, () => 'It did not close.')
  await subscription.closed

  t.equal(heard.length, 1)
})

t.test('a listener that throws ends its own subscription only, with a line in the log', async t => {
  const { url, pool } = await createDatabase(t)
  const lines: { level: number; err?: { message: string } }[] = []
  const logger = pino({ level: 'error' }, { write: line => void lines.push(JSON.parse(line)) })
  const { app } = await host(t, { databaseUrl: url, logger })
  const other = listen(app, { after: 'beginning' })
  let calls = 0
  const failing = app.sluice.onEvent({ workspace: 'acme', after: 'beginning' }, () => {
    calls += 1
    throw new Error('No mail server.')
  })
  await appendEvents(pool, 2)

  await t.rejects(failing.closed, { message: 'No mail server.' })

  await until('the other hears both', () => other.heard.length === 2)
  t.equal(calls, 1)
  t.match(lines, [{ level: 50, err: { message: 'No mail server.' } }])
  await t.rejects(listen(app, { stream: 'nowhere' }).subscription.closed, { code: 'not-found' })
  await failing.close()
})

t.test('onEvent tells the events that match its condition, and refuses one that has a fault', async t => {
  const { url, pool } = await createDatabase(t)
  const { app } = await host(t, { databaseUrl: url })
  await appendEvents(pool, 3, '{"n":$n}')
  const { heard } = listen(app, { after: 'beginning', where: 'data.n ne 2' })
  await until('the stored events', () => heard.length === 2)

  await appendEvents(pool, 3, '{"n":$n}')
  await until('the later events', () => heard.length === 4)

  t.match(heard, [1, 3, 4, 6].map(position => ({ kind: 'event', position })) as object)
  await t.rejects(listen(app, { where: 'data.n = 2' }).subscription.closed, { code: 'invalid-where' })
})

t.test('onEvent ends with the stream of a job, if it was closed before or ends meanwhile', async t => {
  const { url } = await createDatabase(t)
  const { app, gateway } = await host(t, { databaseUrl: url })
  const job = await create(gateway, STORIES.job)
  const stream = jobStream(job.id)
  const { heard, subscription } = listen(app, { stream, after: 'beginning' })
  await until('the first event', () => heard.length === 1)

  await run(gateway, STORIES.job, job)
  await finish(gateway, STORIES.job, job)
  await ended(subscription)
  const late = listen(app, { stream, after: 'beginning' })
  await ended(late.subscription)
  await ended(listen(app, { stream }).subscription)

  t.match(heard.at(-1), { type: 'job.completed' })
  t.strictSame(late.heard, heard)
})

t.test('a revocation by one process ends streams in another within ten polls, without NOTIFY', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const [here, there] = [await host(t, { databaseUrl }), await host(t, { databaseUrl })]
  const open = (claims: object) =>
    openStream(t, `${there.url}/live/api/events`, { headers: bearer(token(claims)) })
  const [both, session] = [await open({ sub: 'eve' }), await open({ sub: 'bob', jti: 'laptop' })]
  const stays = [await open({ sub: 'bob', jti: 'phone' }), await open({ sub: 'eve', workspace: 'globex' })]

  await here.app.sluice.revoke({ id: 'eve', workspace: 'acme' }, { reason: 'left' })
  await here.app.sluice.revoke({ id: 'bob', workspace: 'acme', credentialId: 'laptop' })

  for (const stream of [both, session]) {
    t.ok(await within(REVOKED_MS, stream.ended(), () => 'The stream goes on.'))
    t.match(stream.messages.at(-1), { event: 'auth-revoked' })
  }
  t.equal(there.app.sluice.clients().total, stays.length)
})

t.test('a link to an artifact carries the prefix, and opens without a token', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const artifactsDir = await temporaryFolder()
  t.teardown(() => rm(artifactsDir, { recursive: true, force: true }))
  await mkdir(join(artifactsDir, 'acme'))
  await writeFile(join(artifactsDir, 'acme', 'report.txt'), 'All passed.')
  const { gateway, url } = await host(t, { databaseUrl, artifactsDir })
  const job = await create(gateway, STORIES.runs)
  await run(gateway, STORIES.runs, job)
  const artifact = { type: 'artifact', data: { name: 'report', path: 'report.txt' } }
  await gateway.jobs.append(EDITOR, job.id, [artifact], { attempt: 1 })

  const watched = await watch(t, `${url}/live${STORIES.runs.path(job.id)}`)
  const [snapshot] = await watched.until(1)

  const [link] = JSON.parse(snapshot?.data ?? '').run.artifacts
  t.match(link.url, /^\/live\/api\/v1\/artifacts\/acme\/report\.txt\?/)
  t.equal(await (await fetch(url + link.url)).text(), 'All passed.')
})

t.test('closing the application ends the streams of both gateways in it', async t => {
  const [one, two] = [await createDatabase(t), await createDatabase(t)]
  const { app, url } = await host(t, { prefix: '/one', name: 'one', databaseUrl: one.url }, [
    { prefix: '/two', name: 'two', databaseUrl: two.url },
  ])
  const streams = await Promise.all(
    ['/one', '/two'].map(prefix => openStream(t, `${url}${prefix}/api/events`, { headers: as('viewer') })),
  )

  await within(PATIENCE_MS, Promise.all([app.close(), app.close()]), () => 'The application did not close.')

  for (const stream of streams) {
    t.ok(await stream.ended(), 'a clean end')
    t.match(stream.messages.at(-1), { event: 'server.state', data: /draining/ })
  }
})

function listen(app: FastifyInstance, options: Omit<FollowOptions, 'workspace'>) {
  const heard: (LogEvent | LogReset)[] = []
  const subscription = app.sluice.onEvent({ workspace: 'acme', ...options }, event => void heard.push(event))
  return { heard, subscription }
}

function ended({ closed }: EventSubscription): Promise<void> {
  return within(PATIENCE_MS, closed, () => 'The subscription has not ended.')
}

/** An application with these gateways in it; `gateway` is the context of the first. */
async function host(t: Test, options: SluiceOptions, more: readonly SluiceOptions[] = []) {
  const app = Fastify(serverOptions({ drainMs: 200 }))
  t.teardown(() => app.close())
  const gateways: FastifyInstance[] = []
  const quick: SluiceOptions = {
    prefix: '/live',
    migrate: false,
    jwtSecret: SECRET,
    drainMs: 200,
    rateLimitMax: 0,
    // The tests append without NOTIFY, and without a bus the log is polled ten times as often.
    bus: 'memory',
    internals: { onGateway: gateway => void gateways.push(gateway) },
  }
  for (const each of [options, ...more]) await app.register(sluice, { ...quick, ...each })
  const [gateway = app] = gateways
  return { app, gateway, url: await app.listen({ host: '127.0.0.1', port: 0 }) }
}
