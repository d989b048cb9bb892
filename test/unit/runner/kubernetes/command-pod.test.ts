/** The pod of a command, by the schemas of Kubernetes and by what operators may declare. */
import t from 'tap'
import { commandPodOf, podOf, secretOf } from '../../../../src/runner/kubernetes/command-pod.js'
import { type Manifest, schemaFaults } from '../../../harness/manifests.js'

const NONE = { apiVersion: 'sluice/v1', kind: 'CommandPod' }
const OPTIONS = {
  name: 'command-1',
  runner: 'sluice-runner-1',
  command: 'echo $$ $(HOME) "$HOME"',
  image: 'node:22',
  variables: { SLUICE_JOB_ID: 'job:1', SLUICE_JOB_ATTEMPT: '2', 'odd name': 'a secret', HOME: '/other' },
}

t.test(
  'without a declaration the pod is restricted, ends by itself and holds no value of a variable',
  async t => {
    const pod = podOf(commandPodOf(NONE), OPTIONS)
    const [container] = pod.spec?.containers ?? []

    t.strictSame(await schemaFaults(pod as Manifest), [])
    t.match(pod.metadata, {
      name: 'command-1',
      labels: { 'sluice/runner': 'sluice-runner-1', 'sluice/attempt': '2' },
    })
    t.notOk(pod.metadata?.labels?.['sluice/job'], 'an id that can be no label is none')
    t.match(pod.spec, {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      activeDeadlineSeconds: 86_400,
      securityContext: { runAsNonRoot: true, runAsUser: 1_000, seccompProfile: { type: 'RuntimeDefault' } },
    })
    t.match(container, {
      image: 'node:22',
      command: ['/bin/sh', '-c', 'echo $$$$ $$(HOME) "$$HOME"'],
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    })
    t.notMatch(JSON.stringify(pod), 'a secret')
    t.same(
      container?.env?.map(({ name }) => name),
      ['SLUICE_JOB_ID', 'SLUICE_JOB_ATTEMPT', 'odd name', 'HOME'],
      'each variable once',
    )
  },
)

t.test('the Secret belongs to the stored pod, and its keys are those that the pod names', async t => {
  const pod = podOf(commandPodOf(NONE), OPTIONS)
  const secret = secretOf({ ...pod, metadata: { ...pod.metadata, uid: 'u-1' } }, OPTIONS.variables)
  const [container] = pod.spec?.containers ?? []
  const values = container?.env?.map(({ name, valueFrom }) => [
    name,
    secret.stringData?.[valueFrom?.secretKeyRef?.key ?? ''],
  ])

  t.strictSame(await schemaFaults(secret as Manifest), [])
  t.match(secret.metadata?.ownerReferences, [{ kind: 'Pod', name: 'command-1', uid: 'u-1' }])
  t.same(Object.fromEntries(values ?? []), OPTIONS.variables)
})

t.test('a declaration has precedence, but not over what the runner relies on', async t => {
  const declared = commandPodOf({
    ...NONE,
    metadata: { labels: { team: 'web', 'sluice/runner': 'another' }, annotations: { a: 'b' } },
    spec: {
      restartPolicy: 'Always',
      automountServiceAccountToken: true,
      activeDeadlineSeconds: 600,
      nodeSelector: { pool: 'commands' },
      securityContext: { runAsUser: 0, runAsNonRoot: false },
      volumes: [{ name: 'cache', emptyDir: {} }],
      containers: [
        { name: 'proxy', image: 'proxy:1' },
        { name: 'command', image: 'own:1', volumeMounts: [{ name: 'cache', mountPath: '/work' }] },
      ],
    },
  })

  const pod = podOf(declared, { ...OPTIONS, image: undefined, timeoutMs: 90_500 })

  t.strictSame(await schemaFaults(pod as Manifest), [])
  t.match(pod.metadata, {
    labels: { team: 'web', 'sluice/runner': 'sluice-runner-1' },
    annotations: { a: 'b' },
  })
  t.match(pod.spec, {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    activeDeadlineSeconds: 151,
    nodeSelector: { pool: 'commands' },
    securityContext: { runAsUser: 0, runAsNonRoot: false, fsGroup: 1_000 },
    volumes: [{ name: 'cache' }, { name: 'tmp' }],
    containers: [{ name: 'proxy' }, { name: 'command', image: 'own:1' }],
  })
  t.equal(podOf(declared, { ...OPTIONS, timeoutMs: 3_600_000 }).spec?.activeDeadlineSeconds, 600)
})

t.test('a wrong declaration, and a pod without an image, are refused with the reason', async t => {
  t.throws(() => commandPodOf({ apiVersion: 'v1', kind: 'Pod' }), {
    message: /no CommandPod of sluice\/v1: apiVersion/,
  })
  t.throws(() => commandPodOf({ ...NONE, spec: { containers: [{ name: 'main' }] } }), {
    message: /None of its containers has the name command/,
  })
  t.throws(() => podOf(commandPodOf(NONE), { ...OPTIONS, image: undefined }), { message: /names no image/ })
})
