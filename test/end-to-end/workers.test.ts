import { createServer } from 'node:net'
import { EventSource } from 'eventsource'
import t from 'tap'
import { createDatabase } from '../harness/database.js'
import { limitDescriptors, openDescriptors, withoutPrlimit } from '../harness/descriptors.js'
import { openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { freePort } from '../harness/port.js'
import { startProcess, startProgram } from '../harness/process.js'
import { childrenOf } from '../harness/processes.js'
import { followThings } from '../harness/thing-follower.js'
import { SECRET } from '../harness/tokens.js'
import { until } from '../harness/until.js'

const WORKERS = 2
const CLIENTS = 8
const EVENTS = 30

t.test('several workers behind one port are one gateway to clients and to probes', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { WORKERS: `${WORKERS}` } })
  await until('all workers', async () => (await ready(gateway.url)).workers === WORKERS)
  const streams = await Promise.all(
    Array.from({ length: CLIENTS }, () =>
      openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') }),
    ),
  )
  for (const stream of streams) await stream.until(1)

  const ids: string[] = []
  for (let n = 0; n < EVENTS; n += 1) {
    ids.push(...(await publish(gateway, { type: 'thing.made', data: { n } })))
  }

  for (const stream of streams) {
    const events = await stream.until(EVENTS, 'thing.made')
    t.same(
      events.map(({ id }) => id),
      ids,
    )
  }
  // A worker that is too busy to answer in time is left out.
  let told = await ready(gateway.url)
  await until('both workers have answered', async () => {
    told = await ready(gateway.url)
    return told.workers === WORKERS
  })
  t.match(told, { sse: { clients: CLIENTS, by_kind: { feed: CLIENTS }, byKind: { feed: CLIENTS } } })
  await until('the samples of all workers together count all', async () => {
    const samples = await lastHour(gateway.url)
    const sum = (name: 'published' | 'delivered') =>
      samples.reduce((total, sample) => total + sample[name], 0)
    return (
      sum('published') === EVENTS &&
      sum('delivered') === EVENTS * CLIENTS &&
      samples.at(-1)?.clients === CLIENTS
    )
  })
  streams[0]?.close()
  await until('one less', async () => (await ready(gateway.url)).sse.clients === CLIENTS - 1)
})

t.test('a worker that dies is replaced, and its clients miss nothing', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { WORKERS: `${WORKERS}` } })
  await until('all workers', async () => (await ready(gateway.url)).workers === WORKERS)
  const before = childrenOf(gateway.pid)
  const clients = Array.from({ length: CLIENTS }, () => followThings(gateway.url))
  t.teardown(() => {
    for (const { source } of clients) source.close()
  })
  await until('all clients', () => clients.every(({ source }) => source.readyState === EventSource.OPEN))

  const ids = await publish(gateway, { type: 'thing.made', data: {} })
  await until('the first event', () => clients.every(({ seen }) => seen.length === 1))
  // The first one too: the parent must not depend on any of them.
  for (const pid of before) {
    process.kill(pid, 'SIGKILL')
    await until('another in its place', async () => {
      const { workers } = await ready(gateway.url).catch(() => ({ workers: 0 }))
      return workers === WORKERS && !childrenOf(gateway.pid).includes(pid)
    })
    ids.push(...(await publish(gateway, { type: 'thing.made', data: {} })))
  }

  await until('all events', () => clients.every(({ seen }) => seen.length >= ids.length))
  for (const { seen } of clients) t.same(seen, ids)
  t.match(gateway.output(), /"signal":"SIGKILL","msg":"A worker ended; starting another one\."/)
})

t.test(
  'a parent that is short of descriptors replaces a worker when it has some',
  { skip: withoutPrlimit() },
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, env: { WORKERS: `${WORKERS}` } })
    await until('all workers', async () => (await ready(gateway.url)).workers === WORKERS)
    const [victim = 0] = childrenOf(gateway.pid)

    await limitDescriptors(gateway.pid, await openDescriptors(gateway.pid))
    process.kill(victim, 'SIGKILL')
    await gateway.until(/Cannot start a worker/)
    await until('the other one serves', async () => (await ready(gateway.url)).workers === WORKERS - 1)
    await limitDescriptors(gateway.pid, 1_000)

    await until('all workers', async () => (await ready(gateway.url)).workers === WORKERS)
    t.equal(await gateway.stop(), 0)
  },
)

t.test('at SIGTERM the workers drain, and nothing is left', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { WORKERS: `${WORKERS}` } })
  await until('all workers', async () => (await ready(gateway.url)).workers === WORKERS)
  const workers = childrenOf(gateway.pid)
  const streams = await Promise.all(
    Array.from({ length: CLIENTS }, () =>
      openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') }),
    ),
  )

  const code = await gateway.stop()

  t.equal(code, 0)
  for (const stream of streams) {
    t.equal(await stream.ended(), true, 'a clean end')
    t.match(stream.text(), /"mode":"draining"/)
  }
  t.same(workers.filter(isAlive), [])
  t.notMatch(gateway.output(), /starting another one/)
})

t.test('a Ctrl-C, which reaches parent and workers at once, ends all of them cleanly', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { WORKERS: '2' } })
  await until('all workers', async () => (await ready(gateway.url)).workers === 2)
  const workers = childrenOf(gateway.pid)
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })

  for (const pid of [...workers, gateway.pid]) process.kill(pid, 'SIGINT')

  t.equal(await stream.ended(), true, 'a clean end')
  t.equal(await gateway.ended(), 0)
  t.same(workers.filter(isAlive), [])
})

t.test('workers do not outlive a parent that was killed', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { WORKERS: '2' } })
  await until('all workers', async () => (await ready(gateway.url)).workers === 2)
  const workers = childrenOf(gateway.pid)

  await gateway.kill()

  await until('they are gone', () => !workers.some(isAlive))
  const next = await startProcess(t, { databaseUrl, port: gateway.port, env: { WORKERS: '2' } })
  await until('it is ready', async () => (await fetch(`${next.url}/ready`)).status === 200)
})

t.test('an error that keeps the first worker from listening is logged once, and ends the parent', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const port = await freePort()
  const holder = createServer().listen(port, '127.0.0.1')
  t.teardown(() => holder.close())
  const env = {
    DATABASE_URL: databaseUrl,
    JWT_SECRET: SECRET,
    WORKERS: '3',
    PORT: `${port}`,
    LOG_LEVEL: 'warn',
  }
  const program = startProgram(t, { env })

  t.equal(await program.ended(), 1)

  t.equal(program.output().match(/Sluice cannot start: .*EADDRINUSE/g)?.length, 1)
  t.match(program.output(), /Stop the program that uses this port, or set another PORT/)
})

interface Readiness {
  readonly workers: number
  readonly sse: { readonly clients: number }
}

async function lastHour(url: string): Promise<{ clients: number; published: number; delivered: number }[]> {
  const response = await fetch(`${url}/api/server/metrics`, { headers: as('admin') })
  return ((await response.json()) as { samples: { clients: number; published: number; delivered: number }[] })
    .samples
}

async function ready(url: string): Promise<Readiness> {
  // A connection of its own each time, so that every worker is asked.
  const response = await fetch(`${url}/ready`, { headers: { connection: 'close' } })
  return (await response.json()) as Readiness
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
