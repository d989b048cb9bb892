/** How a command ends in a pod when it does not end by itself, and what people read about it. */
import t from 'tap'
import { COMMANDS, startCluster } from '../harness/kubernetes/cluster.js'
import { connectPods, TIMES } from '../harness/kubernetes/pods.js'
import { until } from '../harness/until.js'

const cluster = await startCluster(t)
const { kubelet, plane, pods } = cluster
const { run } = await connectPods(t, cluster)
const hasty = await connectPods(t, cluster, {
  times: { ...TIMES, startMs: 3_000, faultMs: 500, forceMs: 300 },
})
const short = await connectPods(t, cluster, { spec: 'activeDeadlineSeconds: 1' })

t.test('when Kubernetes ends a command, the result says why', async t => {
  const [greedy, evicted, deleted] = [run('echo a; sleep 1000'), run('sleep 1000'), run('sleep 1000')]
  kubelet.exhaustMemory(await greedy.started())
  kubelet.evict(await evicted.started(), 'The node was low on resource: memory.')
  await plane.core.deleteNamespacedPod({
    namespace: COMMANDS,
    name: await deleted.started(),
    gracePeriodSeconds: 0,
  })

  t.match(await greedy.outcome, {
    exitCode: 137,
    error: 'The command was killed because it used more memory than its limit of 1Gi (OOMKilled).',
  })
  t.equal(greedy.output(), 'a\n')
  t.match(await evicted.outcome, { error: 'The node evicted the pod: The node was low on resource: memory.' })
  t.match(await deleted.outcome, { exitCode: null, error: 'The pod was deleted while its command ran.' })
  t.match(await short.run('sleep 1000').outcome, { error: /^The pod ran longer than its deadline of 1 s/ })
})

t.test('a command that cannot start says why, and its pod goes', async t => {
  const [missing, invalid, shellLess] = await Promise.all(
    ['missing:1', 'INVALID', 'shell-less:1'].map(image => hasty.run('true', { image }).outcome),
  )
  kubelet.unschedulable = true
  const nowhere = await hasty.run('true').outcome
  kubelet.unschedulable = false

  t.match(
    missing,
    /^The pod did not start within 0\.5 s\. .*\(ImagePullBackOff\): Back-off pulling image "missing:1"\.$/,
  )
  t.match(invalid, /^The container cannot be started \(InvalidImageName\)/)
  t.match(shellLess, /^The container could not be started: exec: "\/bin\/sh"/)
  t.match(nowhere, /^The pod did not start within 3 s\. No node takes the pod \(Unschedulable\): 0\/1 nodes/)
  await until('nothing is left', async () => (await pods()).length === 0)
})

t.test('what the API server refuses is refused with its words, at the start or with the command', async t => {
  await t.rejects(connectPods(t, cluster, { spec: 'hostNetwork: true' }), {
    message: /Kubernetes refuses \(403\): .*violates PodSecurity "restricted:latest": host namespaces/,
  })
  await t.rejects(connectPods(t, cluster, { spec: 'nodeSelektor: {}' }), {
    message: /Kubernetes refuses \(400\): .*unknown field "spec.nodeSelektor"/,
  })
  t.match(
    await run('true', { image: 'no space allowed ' }).outcome,
    /^The pod of the command cannot be made\. .*422/,
  )
})

t.test('a command that its node does not end is removed by force', async t => {
  const stuck = hasty.run('echo here; sleep 1000')
  await until('its output', () => stuck.output() === 'here\n')
  kubelet.isAway = true

  stuck.abort()

  t.match(await stuck.outcome, { signal: 'SIGKILL', error: /removed by force; it may still run there/ })
  t.same(await pods(), [])
  kubelet.isAway = false
})

t.test('a command that must end before it has begun leaves nothing', async t => {
  kubelet.unschedulable = true
  const waiting = run('echo never')
  await until('its pod', async () => (await pods()).length === 1)
  waiting.abort()

  t.match(await waiting.outcome, { exitCode: null, signal: 'SIGTERM' })
  kubelet.unschedulable = false
  const aborted = run('echo never')
  aborted.abort()
  t.match(await aborted.outcome, { exitCode: null, signal: 'SIGTERM' })
  await until('nothing is left', async () => (await pods()).length === 0)
})
