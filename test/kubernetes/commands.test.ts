/**
 * Commands in pods: a real runner on a real API server, with the access that deploy/kubernetes/runner/ gives it. The test plays the
 * node (test/harness/kubernetes/kubelet.ts).
 */
import { type ApiException, CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import t from 'tap'
import { COMMANDS, startCluster } from '../harness/kubernetes/cluster.js'
import { linesOf, untilEnded, untilLine } from '../harness/runner-program.js'
import { until } from '../harness/until.js'

const NO_TOKEN = { spec: { audiences: [] } }
const cluster = await startCluster(t)
const { gateway, plane, pods } = cluster
const runner = await cluster.runner(t, { args: ['--pass-env', 'SECRET_OF_CI'] })

t.test(
  'a command runs in a pod: its lines, its exit code and its variables are those of every command',
  async t => {
    const seen: string[] = []
    const job = gateway.add({
      command:
        'echo "$GREETING $SECRET_OF_CI $SLUICE_JOB_ATTEMPT $HOME $((6 * 7)) $(echo sub) $$ $(GREETING)"; echo oops >&2; exit 3',
      env: { GREETING: 'a secret', 'odd name': 'x' },
    })
    await until('its pod', async () => {
      const [pod] = await pods()
      if (pod) seen.push(JSON.stringify(pod))
      return job.status === 'failed'
    })

    t.match(job.result, { exit_code: 3, signal: null })
    t.match(
      linesOf(job).sort(),
      [/GREETING: not found$/, /^a secret passed 1 \/work 42 sub [1-9]\d* $/, 'oops'],
      'as the shell reads them',
    )
    t.notMatch(seen.join(), /a secret|passed/, 'no value of a variable is in the pod')
    t.match(seen.at(-1), new RegExp(`"sluice/job":"${job.id}"`))
    await until('nothing is left', async () => (await pods()).length === 0)
    await until('not its variables either', async () => {
      return (await plane.core.listNamespacedSecret({ namespace: COMMANDS })).items.length === 0
    })
  },
)

t.test('the runner may do what it needs with the pods of commands, and nothing else', async t => {
  const config = new KubeConfig()
  config.loadFromFile(await plane.kubeconfigOf('sluice-runner', 'sluice-runner'))
  const api = config.makeApiClient(CoreV1Api)
  const denied = [
    () => api.listNamespacedSecret({ namespace: COMMANDS }),
    () => api.readNamespacedSecret({ namespace: COMMANDS, name: 'any' }),
    () => api.deleteNamespacedSecret({ namespace: COMMANDS, name: 'any' }),
    () => api.readNamespacedSecret({ namespace: 'sluice-runner', name: 'sluice-runner' }),
    () => api.connectGetNamespacedPodExec({ namespace: COMMANDS, name: 'any', command: 'id' }),
    () => api.replaceNamespacedPod({ namespace: COMMANDS, name: 'any', body: { metadata: { name: 'any' } } }),
    () =>
      api.createNamespacedServiceAccountToken({
        namespace: COMMANDS,
        name: 'sluice-command',
        body: NO_TOKEN,
      }),
    () => api.listNamespacedPod({ namespace: 'sluice-runner' }),
    () => api.listPodForAllNamespaces(),
    () => api.listNode(),
  ].map(act =>
    act().then(
      () => 'allowed',
      (error: ApiException<unknown>) => error.code,
    ),
  )

  t.same(new Set(await Promise.all(denied)), new Set([403]))
  t.ok(await api.listNamespacedPod({ namespace: COMMANDS }))
})

t.test('a command that is cancelled, or too late, gets SIGTERM, then SIGKILL, and its pod goes', async t => {
  const polite = gateway.add({
    command: `trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done`,
  })
  const late = gateway.add({ command: 'echo begun; sleep 1000' }, 1_500)
  await untilLine(polite, 'ready')
  gateway.cancel(polite)

  await untilEnded(late)

  t.match(late.result, { timed_out: true, signal: 'SIGTERM' })
  t.same(linesOf(late), ['begun'])
  await until('nothing is left', async () => (await pods()).length === 0)
})

t.test('a stopped runner hands its commands back, and leaves nothing in the cluster', async t => {
  const other = await cluster.runner(t, { args: ['--grace', '0'] })
  runner.signal('SIGTERM')
  t.equal(await runner.ended(), 0)
  const job = gateway.add({ command: 'echo begun; sleep 1000' })
  await untilLine(job, 'begun')

  other.signal('SIGTERM')

  t.equal(await other.ended(), 0)
  t.equal(job.status, 'queued')
  await until('nothing is left', async () => (await pods()).length === 0)
  gateway.cancel(job)
})
