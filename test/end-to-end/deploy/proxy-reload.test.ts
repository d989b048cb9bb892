/** nginx, HAProxy and Caddy reload their configuration under open streams and in the middle of publishes. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, publish } from '../../harness/gateway.js'
import { nginxConfiguration, withoutNginx } from '../../harness/nginx.js'
import { findProxy, runProxy, withoutProgram } from '../../harness/own-proxy.js'
import { patient } from '../../harness/patience.js'
import { startProcess } from '../../harness/process.js'
import { childrenOf, isGone } from '../../harness/processes.js'
import { caddy, haproxy, startProxy } from '../../harness/proxies.js'
import { until } from '../../harness/until.js'

const run = promisify(execFile)
/** Short enough for a test; as shipped it is 20 s. */
const GRACE = '1s'
/** Longer than the publishes and streams around a reload take. */
const GENEROUS_S = 20

t.test(
  'nginx: a reload leaves streams to the old workers, and no publish fails',
  { skip: withoutNginx() },
  async t => {
    const { reload, story, before } = await startReloadingNginx(t, patient(GENEROUS_S * 1_000) / 1_000)

    await story.through(reload)

    t.ok(
      before.some(child => !isGone(child)),
      'an old worker is there for the stream',
    )
  },
)

t.test('nginx: old workers cut their streams when their time ends', { skip: withoutNginx() }, async t => {
  const { reload, story, before } = await startReloadingNginx(t, 1)

  await reload()

  t.equal(await story.old.ended(), false, 'the stream is cut, not ended')
  await until('the old workers are gone', () => before.every(isGone))
  await story.resume(story.old)
})

t.test(
  'HAProxy: an old worker keeps its streams as long as they last',
  { skip: withoutProgram('haproxy') },
  async t => {
    const { pid, url } = await startProxy(t, haproxy, { upstreams: await startGateway(t), reloads: true })
    const before = childrenOf(pid)
    const story = await begin(t, url)

    await story.through(async () => {
      process.kill(pid, 'SIGUSR2')
      await until('a worker of its own', () => childrenOf(pid).some(child => !before.includes(child)))
    })

    t.notOk(before.some(isGone))
    story.old.close()
    await until('the old worker is gone', () => before.every(isGone))
    await story.resume(story.old)
  },
)

t.test(
  'Caddy: a reload leaves streams alone, a stop ends them after its grace period',
  { skip: withoutProgram('caddy') },
  async t => {
    const upstreams = await startGateway(t)
    const changes = [
      ['admin off', 'admin unix//{env.HOME}/admin.sock'],
      ['grace_period 20s', `grace_period ${GRACE}`],
    ] as const
    const { pid, folder, file, url } = await startProxy(t, caddy, { upstreams, reloads: true, changes })
    const story = await begin(t, url)

    await story.through(async () => {
      const change = ['--force', '--adapter', 'caddyfile', '--config', file]
      const address = ['--address', `unix/${folder}/admin.sock`]
      await run(findProxy('caddy') ?? '', ['reload', ...change, ...address], { env: { HOME: folder } })
    })

    process.kill(pid, 'SIGTERM')
    await story.old.ended()
    await until('it has ended', () => isGone(pid))
    const next = await startProxy(t, caddy, { upstreams })
    await story.resume(story.old, next.url)
  },
)

/** @param graceS seconds that old workers have for their streams. */
async function startReloadingNginx(t: Test, graceS: number) {
  const upstreams = await startGateway(t)
  const changes = [['worker_shutdown_timeout 20s', `worker_shutdown_timeout ${Math.ceil(graceS)}s`]] as const
  const write = (port: number, folder: string) => nginxConfiguration({ port, folder, upstreams, changes })
  const { pid, port } = await runProxy(t, 'nginx', write, true)
  const before = childrenOf(pid)
  return {
    before,
    story: await begin(t, `http://127.0.0.1:${port}`),
    async reload() {
      process.kill(pid, 'SIGHUP')
      await until('workers of its own', () => childrenOf(pid).some(child => !before.includes(child)))
    },
  }
}

async function startGateway(t: Test): Promise<[number, number]> {
  const { url: databaseUrl } = await createDatabase(t)
  const { port } = await startProcess(t, { databaseUrl, env: { TRUSTED_PROXIES: '127.0.0.1' } })
  return [port, port]
}

/** A stream that is open before the reload, and a publisher that sends one event after another, of which none may fail. */
async function begin(t: Test, url: string) {
  const ids: string[] = []
  const send = async (at = url) => {
    const headers = { 'idempotency-key': randomUUID() }
    const attempt = () => publish({ url: at }, { type: 'thing.made', data: {} }, { headers })
    // A proxy may close an idle connection at the moment at which the client sends on it (RFC 9112, section 9.3.1).
    const again = (error: unknown) => {
      if (error instanceof TypeError) return attempt()
      throw error
    }
    ids.push(...(await attempt().catch(again)))
  }
  const open = (headers = {}, at = url) =>
    openStream(t, `${at}/api/events?from=beginning`, { headers: { ...as('viewer'), ...headers } })
  await send()
  const old = await open()
  await old.until(1, 'thing.made')

  return {
    old,
    /** Reloads while events are published. Afterwards the old stream goes on, and a new one opens. */
    async through(reload: () => Promise<void>) {
      let reloaded = false
      const sending = (async () => {
        while (!reloaded) await send()
      })()
      await reload().finally(() => {
        reloaded = true
      })
      await sending
      await send()
      const fresh = await open()
      for (const stream of [old, fresh]) await stream.until(ids.length, 'thing.made')
      t.strictSame(idsOf(fresh), ids)
    },
    /** The client of the stream that has ended comes back, and misses nothing. */
    async resume(stream: EventStream, at = url) {
      await send(at)
      const had = idsOf(stream)
      const resumed = await open({ 'last-event-id': had.at(-1) ?? '' }, at)
      await resumed.until(ids.length - had.length, 'thing.made')
      t.strictSame([...had, ...idsOf(resumed)], ids)
    },
  }
}

function idsOf({ messages }: EventStream): (string | undefined)[] {
  return messages.filter(({ event }) => event === 'thing.made').map(({ id }) => id)
}
