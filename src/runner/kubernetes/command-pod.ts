/**
 * The pod of one command, and the Secret with its variables, from what the operator has declared (a CommandPod, docs/runner.md).
 * The declaration has precedence over the defaults, which are those of Kubernetes' profile `restricted` on a read-only root.
 *
 * Nothing of a declaration or a project changes what the runner relies on: the pod ends with its command, has no token of its
 * service account, and its name and labels say to which runner it belongs.
 */
import type { V1Container, V1Pod, V1PodSpec, V1Secret } from '@kubernetes/client-node'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'

/** The container that runs the command. */
export const CONTAINER = 'command'
/** The label with the name of the runner's Lease. */
export const RUNNER_LABEL = 'sluice/runner'
/** The longest time that the runner allows a command, and that a pod has without a declaration: 24 h. */
const LONGEST_SECONDS = 86_400
/** The runner itself ends a command that exceeds its time limit. Only if the runner is gone does the kubelet do so, this much later. */
const BACKSTOP_SECONDS = 60
/** The time between SIGTERM and SIGKILL, as on a runner's machine. */
const GRACE_SECONDS = 5
/** Images may name no user, and then mean root. */
const USER = 1_000
const WORK = '/work'
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

/** The parts of a CommandPod that this runner reads; the API server checks the rest. */
export const CommandPod = Type.Object({
  apiVersion: Type.Literal('sluice/v1'),
  kind: Type.Literal('CommandPod'),
  metadata: Type.Optional(
    Type.Object({
      namespace: Type.Optional(Type.String()),
      labels: Type.Optional(Type.Record(Type.String(), Type.String())),
      annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
  ),
  spec: Type.Optional(
    Type.Object({
      containers: Type.Optional(Type.Array(Type.Object({ name: Type.String() }), { minItems: 1 })),
    }),
  ),
})
export type CommandPod = Static<typeof CommandPod>

/** @throws {Error} that names the first faulty field. */
export function commandPodOf(declared: unknown): CommandPod {
  const [fault] = Value.Errors(CommandPod, declared)
  if (fault) {
    const field = fault.instancePath.slice(1).replaceAll('/', '.') || 'it'
    throw new Error(`It is no CommandPod of sluice/v1: ${field} ${fault.message}.`)
  }
  const pod = declared as CommandPod
  if (pod.spec?.containers?.some(({ name }) => name === CONTAINER) === false) {
    throw new Error(`None of its containers has the name ${CONTAINER}, which is the one that runs commands.`)
  }
  return pod
}

export interface PodOptions {
  /** The name of the pod and of the Secret. */
  readonly name: string
  /** The name of the runner's Lease. */
  readonly runner: string
  readonly command: string
  /** The project's image; the declared one if undefined. */
  readonly image: string | undefined
  /** The variables of the command, which reach its environment through the Secret. */
  readonly variables: Readonly<Record<string, string>>
  readonly timeoutMs?: number | undefined
}

/** @throws {Error} if neither the project nor the declaration names an image. */
export function podOf(declared: CommandPod, options: PodOptions): V1Pod {
  const { name, runner, variables, timeoutMs = LONGEST_SECONDS * 1_000 } = options
  const spec = (declared.spec ?? {}) as Partial<V1PodSpec>
  const { containers = [], volumes = [], ...rest } = spec
  const own: Partial<V1Container> = containers.find(each => each.name === CONTAINER) ?? {}
  const image = options.image ?? own.image
  if (image === undefined) {
    throw new Error(
      'The project names no image, and neither does the CommandPod of the runner. Name one in the project.',
    )
  }
  const seconds = Math.min(
    spec.activeDeadlineSeconds ?? LONGEST_SECONDS,
    Math.ceil(timeoutMs / 1_000) + BACKSTOP_SECONDS,
  )
  const scratch = ['work', 'tmp'].filter(volume => !volumes.some(each => each.name === volume))
  const mounts = own.volumeMounts ?? []
  const free = scratch.filter(volume => !mounts.some(each => each.mountPath === `/${volume}`))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...declared.metadata,
      name,
      labels: {
        'app.kubernetes.io/name': 'sluice-command',
        'app.kubernetes.io/managed-by': 'sluice',
        ...declared.metadata?.labels,
        ...jobLabels(variables),
        [RUNNER_LABEL]: runner,
      },
    },
    spec: {
      enableServiceLinks: false,
      // Else the shell is process 1, which the kernel shields from SIGTERM.
      shareProcessNamespace: true,
      terminationGracePeriodSeconds: GRACE_SECONDS,
      ...rest,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      activeDeadlineSeconds: seconds,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: USER,
        fsGroup: USER,
        seccompProfile: { type: 'RuntimeDefault' },
        ...rest.securityContext,
      },
      volumes: [...volumes, ...free.map(volume => ({ name: volume, emptyDir: {} }))],
      containers: [
        ...containers.filter(each => each.name !== CONTAINER),
        {
          workingDir: WORK,
          resources: {
            requests: { cpu: '100m', memory: '256Mi' },
            limits: { cpu: '2', memory: '1Gi', 'ephemeral-storage': '4Gi' },
          },
          ...own,
          name: CONTAINER,
          image,
          command: ['/bin/sh', '-c', literally(options.command)],
          env: [
            ...[{ name: 'HOME', value: WORK }, ...(own.env ?? [])].filter(each => !(each.name in variables)),
            ...secretEnv(name, variables),
          ],
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
            ...own.securityContext,
          },
          volumeMounts: [...mounts, ...free.map(volume => ({ name: volume, mountPath: `/${volume}` }))],
        },
      ],
    },
  }
}

/**
 * Its owner is the pod, so that it goes with the pod. So it is made after the pod, whose container the kubelet starts only when it
 * is there.
 * @param pod as the API server has stored it.
 */
export function secretOf({ metadata = {} }: V1Pod, variables: Readonly<Record<string, string>>): V1Secret {
  const { name = '', uid = '', labels = {} } = metadata
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels, ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }] },
    immutable: true,
    stringData: Object.fromEntries(Object.values(variables).map((value, index) => [`v${index}`, value])),
  }
}

/** By index, because the keys of a Secret may not have every character that names of variables may have. */
function secretEnv(name: string, variables: Readonly<Record<string, string>>) {
  return Object.keys(variables).map((variable, index) => ({
    name: variable,
    valueFrom: { secretKeyRef: { name, key: `v${index}` } },
  }))
}

/** The kubelet replaces `$(NAME)` and `$$` in arguments, which mean something else to a shell. */
function literally(command: string): string {
  return command.replaceAll('$', '$$$$')
}

function jobLabels({ SLUICE_JOB_ID = '', SLUICE_JOB_ATTEMPT = '' }: Readonly<Record<string, string>>) {
  const labels = { 'sluice/job': SLUICE_JOB_ID, 'sluice/attempt': SLUICE_JOB_ATTEMPT }
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => LABEL.test(value)))
}
