import t from 'tap'
import { movableClock } from '../../harness/clock.js'
import { createDatabase } from '../../harness/database.js'
import { create, EDITOR, finish, idsOf, run, STORIES } from '../../harness/dialect-story.js'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { connectRaw, get } from '../../harness/raw-client.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'
import { golden, masked, watch } from '../../harness/transcript.js'
import { until } from '../../harness/until.js'

const story = STORIES['runner-jobs']

t.test('a stream reports that the database is down, and continues to its end when it is back', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const proxy = await startProxy(t, databaseUrl)
  const elsewhere = await startGateway(t, { databaseUrl })
  const { url } = await startGateway(t, { databaseUrl: proxy.url })
  const job = await create(elsewhere.app, story)
  const stream = await watch(t, url + story.path(job.id))
  await stream.until(1)

  await proxy.unplug()
  await run(elsewhere.app, story, job)
  await finish(elsewhere.app, story, job)
  const [told] = await stream.until(1, 'error')
  const newcomer = await watch(t, url + story.path(job.id))
  t.ok(await newcomer.ended())
  await proxy.plugIn()

  t.match(JSON.parse(told?.data ?? ''), { code: 'degraded', message: String })
  t.match(newcomer.messages, [{ event: 'error', data: /"code":"database"/ }])
  t.equal(newcomer.retries.length, 1)
  t.ok(await stream.ended())
  const heard = masked(stream.text()).replace(/(id: .*\n)?event: error\ndata: .*\n\n/g, '')
  t.ok(golden('runner-jobs-running').endsWith(heard), 'each event once, and the end')
})

t.test(
  'a stream reports that the log was restored to an earlier time, and continues from its head',
  async t => {
    const { app, url } = await startGateway(t, { env: { BUS_NOTIFY: 'off' } })
    const job = await create(app, story)
    await run(app, story, job)
    const stream = await watch(t, url + story.path(job.id))
    await stream.until(6)

    await app.database.query(
      `delete from sluice.events where "position" >= 5 and stream_id =
    (select stream_id from sluice.jobs where id = $1)`,
      [job.id],
    )
    const [told] = await stream.until(1, 'error')
    await finish(app, story, job)

    const ids = await idsOf(app, job)
    t.match(JSON.parse(told?.data ?? ''), { code: 'history-lost' })
    t.equal(told?.id, ids[3])
    t.ok(await stream.ended())
    t.same(stream.messages.at(-1)?.event, 'stream.complete')
  },
)

t.test('a stream reports once that the log cannot be read, however often the read is retried', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const proxy = await startProxy(t, databaseUrl)
  const elsewhere = await startGateway(t, { databaseUrl })
  const { app, url } = await startGateway(t, { databaseUrl: proxy.url })
  const job = await create(elsewhere.app, story)
  // More than sockets take from a sender whose receiver does not read.
  const numbers = Array.from({ length: 120 }, (_, n) => n)
  const text = 'x'.repeat(100_000)
  for (const n of numbers) {
    await elsewhere.app.jobs.append(EDITOR, job.id, [{ type: 'output', data: { n, text } }], {})
  }
  const headers = `Authorization: ${as('viewer').authorization}\nConnection: close\n`
  const client = await connectRaw(t, Number(new URL(url).port), get(story.path(job.id), '1.1', headers))
  client.socket.pause()
  await until('it is let in', () => app.hub.followers('acme', `job:${job.id}`) === 1)

  await proxy.unplug()
  proxy.mode = 'refuse'
  await proxy.plugIn()
  client.socket.resume()
  await client.untilBody('"code":"unreadable"')
  const tries = proxy.accepted + 10
  await until('it is tried again and again', () => proxy.accepted >= tries)
  proxy.mode = 'pass'
  await elsewhere.app.jobs.cancel(EDITOR, job.id)
  await client.over

  const body = client.body()
  t.equal(body.split('"unreadable"').length, 2)
  t.same(
    [...body.matchAll(/"n":(\d+),/g)].map(([, n]) => Number(n)),
    numbers,
  )
})

t.test('a stream reports that its credentials have expired', async t => {
  const { app, url } = await startGateway(t)
  const job = await create(app, story)
  const clock = movableClock(t)
  const headers = bearer(token({ exp: secondsFromNow(3600) }))
  const stream = await openStream(t, url + story.path(job.id), { headers })
  await stream.until(1)

  clock.forward(3_700_000)

  t.ok(await stream.ended())
  t.match(JSON.parse(stream.messages.at(-1)?.data ?? ''), { code: 'auth-expired' })
})

t.test('a stopping gateway ends its streams, and the client continues at another one', async t => {
  const leaving = await startGateway(t)
  const staying = await startGateway(t, { databaseUrl: leaving.databaseUrl })
  const job = await create(leaving.app, story)
  await run(leaving.app, story, job)
  const first = await watch(t, leaving.url + story.path(job.id))
  await first.until(6)

  await leaving.close()
  t.ok(await first.ended())
  await finish(staying.app, story, job)
  const second = await watch(t, staying.url + story.path(job.id), first.messages.at(-1)?.id)

  t.ok(await second.ended())
  t.equal(first.retries.length, 1, 'the first event said when to reconnect')
  t.same(
    [...first.messages, ...second.messages].map(({ event }) => event),
    [
      'job.created',
      'job.started',
      ...story.events.map(({ type }) => type),
      'job.completed',
      'stream.complete',
    ],
  )
})

const HEARTBEATS = [
  ['runner-jobs', 15_000, ': ping\n\n'],
  ['runs', 5_000, ': heartbeat\n\n'],
  ['remote-commands', 15_000, 'event: heartbeat\ndata: {}\n\n'],
  ['executions', 15_000, ': heartbeat\n\n'],
] as const

for (const [name, everyMs, heartbeat] of HEARTBEATS) {
  t.test(`${name}: an idle stream sends a heartbeat every ${everyMs / 1_000} s`, async t => {
    const { app, url } = await startGateway(t)
    const clock = movableClock(t)
    const job = await app.jobs.create(EDITOR, STORIES[name].job)
    const stream = await watch(t, url + STORIES[name].path(job.id))
    const count = () => stream.text().split(heartbeat).length - 1

    for (const beats of [1, 2, 3]) {
      clock.forward(everyMs)
      await until(`beat ${beats}`, () => count() === beats)
    }
  })
}
