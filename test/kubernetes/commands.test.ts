/**
 * Commands in pods: a real runner on a real API server, with the access that deploy/kubernetes/runner/ gives it. The test plays the
 * node (test/harness/kubernetes/kubelet.ts).
 */
import t from 'tap'
import { COMMANDS, startCluster } from '../harness/kubernetes/cluster.js'
import { linesOf, untilEnded, untilLine } from '../harness/runner-program.js'
import { until } from '../harness/until.js'

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
