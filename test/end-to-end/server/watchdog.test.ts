/** Real gateways, whose event loop blocks at a signal. */
import { setTimeout as pause } from 'node:timers/promises'
import { EventSource } from 'eventsource'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { as, publish } from '../../harness/gateway.js'
import { patienceSignal } from '../../harness/patience.js'
import { startProcess } from '../../harness/process.js'
import { childrenOf } from '../../harness/processes.js'
import { followThings } from '../../harness/thing-follower.js'
import { until } from '../../harness/until.js'

const BLOCK_MS = 500
/** SIGWINCH blocks the event loop in a function of this name, for BLOCKED_MS. */
const BLOCKING = `data:text/javascript,${encodeURIComponent(`
  function wasteTime(ms) {
    const end = performance.now() + ms
    while (performance.now() < end) {}
  }
  process.on('SIGWINCH', () => wasteTime(Number(process.env.BLOCKED_MS)))`)}`
const NODE_OPTIONS = `--import=${BLOCKING}`
const env = { WATCHDOG_MS: `${BLOCK_MS}`, NODE_OPTIONS }

t.test('a blocked event loop is logged with its stack and its length, and counted', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { NODE_OPTIONS, BLOCKED_MS: '5000' } })
  const { source, seen } = followThings(gateway.url)
  t.teardown(() => source.close())
  let opens = 0
  source.addEventListener('open', () => {
    opens += 1
  })
  await until('the client', () => source.readyState === EventSource.OPEN)
  const ids = await publish(gateway, { type: 'thing.made', data: {} })

  process.kill(gateway.pid, 'SIGWINCH')

  const [line] = await gateway.until(/^.*The event loop is blocked.*$/m)
  t.match(JSON.parse(line), { level: 40, pid: gateway.pid, stack: /^at .*wasteTime \(data:/m })
  const late = publish(gateway, { type: 'thing.made', data: {} })
  const [end] = await gateway.until(/^.*The event loop turns again.*$/m)
  const { blockedMs } = JSON.parse(end)
  t.ok(blockedMs >= 2_000 && blockedMs < 30_000, `${blockedMs} ms`)
  t.equal(gateway.output().match(/The event loop is blocked/g)?.length, 1, 'once')
  ids.push(...(await late))
  await until('all events', () => seen.length >= ids.length)
  t.strictSame(seen, ids)
  t.equal(opens, 1, 'on the same connection')
  const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: as('admin') })).text()
  t.match(metrics, /^sluice_event_loop_blocks_total 1$/m)
  t.match(metrics, new RegExp(`^sluice_event_loop_blocked_seconds_total ${blockedMs / 1_000}$`, 'm'))
  source.close()
  t.equal(await gateway.stop(), 0)
})

t.test('a process that was stopped was not blocked', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl, env: { ...env, BLOCKED_MS: '1500' } })

  gateway.signal('SIGSTOP')
  await pause(4 * BLOCK_MS)
  gateway.signal('SIGCONT')
  await fetch(`${gateway.url}/health`)
  process.kill(gateway.pid, 'SIGWINCH')
  await gateway.until(/The event loop turns again/)

  t.equal(gateway.output().match(/The event loop is blocked/g)?.length, 1, 'only the block')
})

t.test('a worker that stays blocked is replaced, and its clients miss nothing', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, {
    databaseUrl,
    env: { ...env, BLOCKED_MS: '3600000', WORKERS: '2', STUCK_WORKER_MS: '1500' },
  })
  await until('all workers', async () => (await workersOf(gateway.url)) === 2)
  const clients = Array.from({ length: 8 }, () => followThings(gateway.url))
  t.teardown(() => {
    for (const { source } of clients) source.close()
  })
  await until('all clients', () => clients.every(({ source }) => source.readyState === EventSource.OPEN))
  const ids = await publish(gateway, { type: 'thing.made', data: {} })
  await until('the first event', () => clients.every(({ seen }) => seen.length === 1))
  const [stuck = 0] = childrenOf(gateway.pid)

  process.kill(stuck, 'SIGWINCH')
  await gateway.until(/The event loop stays blocked/)
  await until('another in its place', async () => {
    const children = childrenOf(gateway.pid)
    return children.length === 2 && !children.includes(stuck) && (await workersOf(gateway.url)) === 2
  })
  ids.push(...(await publish(gateway, { type: 'thing.made', data: {} })))

  await until('all events', () => clients.every(({ seen }) => seen.length >= ids.length))
  for (const { seen } of clients) t.same(seen, ids)
  t.match(gateway.output(), new RegExp(`"worker":${stuck},"code":null,"signal":"SIGKILL"`))
})

async function workersOf(url: string): Promise<unknown> {
  const response = await fetch(`${url}/ready`, {
    headers: { connection: 'close' },
    signal: patienceSignal(1_000),
  }).catch(() => undefined)
  return Object(await response?.json()).workers
}
