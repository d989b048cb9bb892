/** Pods whose runner has died are removed, and no others. */
import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { startApiProxy } from '../harness/kubernetes/api-proxy.js'
import { COMMANDS, startCluster } from '../harness/kubernetes/cluster.js'
import { connectPods, TIMES } from '../harness/kubernetes/pods.js'
import { patient } from '../harness/patience.js'
import { untilLine } from '../harness/runner-program.js'
import { until } from '../harness/until.js'

const PATIENCE_MS = 90_000
/** A safety net: each wait has a deadline of its own, and that of a command is its end. */
const TEST_MS = patient(300_000)
const cluster = await startCluster(t)
const { gateway, plane, pods } = cluster
const QUICK = { ...TIMES, everyMs: 200, seconds: 2 }

t.test(
  'the pods of a runner that was killed are removed by another one, and its Lease too',
  { timeout: TEST_MS },
  async t => {
    const dead = await cluster.runner(t)
    const job = gateway.add({ command: 'echo begun; sleep 1000', env: { A: 'b' } })
    await untilLine(job, 'begun')
    await until('its Lease', async () => (await leases()).length === 1)
    const own = await connectPods(t, cluster)
    const kept = own.run('sleep 1000')
    const name = await kept.started()

    dead.signal('SIGKILL')
    gateway.cancel(job)

    await until(
      'only the pod of the living one is left',
      async () => (await podNames()).join() === name,
      PATIENCE_MS,
    )
    await until('and its Lease', async () => (await leases()).length === 1, PATIENCE_MS)
    t.match(own.lines.join(), /Removing the pod command-.*, which no runner needs/)
    kept.abort()
    await kept.outcome
    await own.executors.close()
    t.same(await leases(), [], 'a runner that ends takes its Lease with it')
  },
)

t.test(
  'an outage of the API server for some makes no runner dead for others',
  { timeout: TEST_MS },
  async t => {
    const proxy = await startApiProxy(t, plane)
    const one = await connectPods(t, cluster, { server: proxy.url, times: QUICK })
    const other = await connectPods(t, cluster, { server: proxy.url, times: QUICK })
    const commands = [one, other].map(({ run }) => run('sleep 1000'))
    await Promise.all(commands.map(command => command.started()))
    const turns = () =>
      proxy.requests.filter(request => request.startsWith('GET') && request.includes('/leases')).length
    const before = turns()
    await until('both have looked around', () => turns() > before + 6)

    proxy.fault = () => ({ status: 503 })
    const refused = proxy.requests.length
    const begun = performance.now()
    await until(
      'longer than a Lease lasts',
      () => performance.now() - begun > 3_000 && proxy.requests.length > refused + 10,
    )
    proxy.fault = () => undefined
    const after = turns()
    await until('both have looked around again', () => turns() > after + 6)

    t.equal((await podNames()).length, 2)
    t.notMatch([...one.lines, ...other.lines].join(), 'Removing')
    for (const command of commands) command.abort()
    await Promise.all(commands.map(({ outcome }) => outcome))
  },
)

t.test(
  'a pod without a Lease, and one that its own runner has given up, are removed',
  { timeout: TEST_MS },
  async t => {
    const proxy = await startApiProxy(t, plane)
    const { run } = await connectPods(t, cluster, { server: proxy.url, times: QUICK })
    const given = run('sleep 1000')
    const name = await given.started()
    const pod = (await pods()).find(({ metadata }) => metadata?.name === name)
    const body = orphanOf(pod)
    await plane.core.createNamespacedPod({ namespace: COMMANDS, body })

    // Its removal gets no answer, and is not done.
    proxy.fault = request =>
      request.startsWith(`DELETE`) && request.includes(name) ? { status: 500 } : undefined
    await until('the orphan is gone', async () => (await podNames()).join() === name, PATIENCE_MS)
    cluster.kubelet.exhaustMemory(name)
    t.match(await given.outcome, { exitCode: 137 })
    t.same(await podNames(), [name])
    proxy.fault = () => undefined

    await until('nothing is left', async () => (await podNames()).length === 0)
  },
)

/** The same for a runner whose Lease was deleted. */
function orphanOf(pod: V1Pod | undefined): V1Pod {
  const labels = { ...pod?.metadata?.labels, 'sluice/runner': 'nobody' }
  const { nodeName: _, ...spec } = pod?.spec ?? { containers: [] }
  return { metadata: { name: 'command-orphan', labels }, spec }
}

async function podNames(): Promise<string[]> {
  return (await pods()).map(({ metadata }) => metadata?.name ?? '')
}

async function leases(): Promise<unknown[]> {
  const { items } = await plane.coordination.listNamespacedLease({ namespace: COMMANDS })
  return items
}
