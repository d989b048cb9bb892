/**
 * Plays what a control plane has around it, for one namespace: the scheduler (every pod gets the one node), the kubelet of that node
 * (it runs the command of a pod as a process of this machine, writes the pod's status and serves its log to the API server by TLS)
 * and the garbage collector (a Secret goes with its pod). It looks at the pods again and again, so that it survives the API server.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { V1ContainerState, V1Pod, V1PodStatus } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { ContainerLog } from './container-log.js'
import type { ControlPlane } from './control-plane.js'

const NODE = 'played'
const LOOK_MS = 40

interface Container {
  readonly log: ContainerLog
  readonly startedAt: Date
  readonly process: ChildProcess
  /** Reported in place of the real end. */
  fate?: { pod?: Partial<V1PodStatus>; container?: string; exitCode?: number }
}

export interface Kubelet {
  /** The pods that it runs or ran, by name. */
  readonly containers: ReadonlyMap<string, Container>
  /** No pod gets the node. */
  unschedulable: boolean
  /** It changes nothing any more: the node is away. Its logs are too. */
  isAway: boolean
  /** The bytes after which the next answer with a log is cut. */
  cutAfter: () => number
  /** Kills the container as the kernel does when memory is short. */
  exhaustMemory(pod: string): void
  /** Kills the container because the node is short of something. */
  evict(pod: string, message: string): void
  /** Answers with logs so far. */
  readonly logAnswers: number
}

/** Registers the node. Ends with the test, and its containers too. */
export async function startKubelet(t: Test, plane: ControlPlane, namespace: string): Promise<Kubelet> {
  const containers = new Map<string, Container>()
  const { core, certificate } = plane
  const closing = new AbortController()
  let logAnswers = 0
  const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://node')
    const [, kind, , pod = ''] = pathname.split('/')
    const container = containers.get(pod)
    if (kubelet.isAway) return response.destroy()
    if (kind !== 'containerLogs' || !container) return response.writeHead(404).end()
    logAnswers += 1
    return void container.log.serve(searchParams, response, kubelet.cutAfter())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const kubelet = {
    containers,
    unschedulable: false,
    isAway: false,
    cutAfter: () => Number.POSITIVE_INFINITY,
    exhaustMemory(name: string) {
      end(name, { container: 'OOMKilled', exitCode: 137 })
    },
    evict(name: string, message: string) {
      end(name, { pod: { phase: 'Failed', reason: 'Evicted', message }, exitCode: 137 })
    },
    get logAnswers() {
      return logAnswers
    },
  }
  const end = (name: string, fate: NonNullable<Container['fate']>) => {
    const container = containers.get(name)
    if (!container) throw new Error(`There is no pod ${name}.`)
    container.fate ??= fate
    signalGroup(container.process, 'SIGKILL')
  }

  await core.createNode({ body: { metadata: { name: NODE } } })
  await core.replaceNodeStatus({
    name: NODE,
    body: {
      metadata: { name: NODE },
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    },
  })
  const busy = new Map<string, Promise<void>>()
  const uids = new Set<string>()
  const looking = (async () => {
    while (!closing.signal.aborted) {
      if (!kubelet.isAway) await look().catch(() => undefined)
      await pause(LOOK_MS)
    }
  })()
  t.teardown(async () => {
    closing.abort()
    await looking
    for (const { process } of containers.values()) signalGroup(process, 'SIGKILL')
    server.closeAllConnections()
    server.close()
  })
  return kubelet

  async function look(): Promise<void> {
    const { items } = await core.listNamespacedPod({ namespace })
    for (const pod of items) {
      const name = pod.metadata?.name ?? ''
      uids.add(pod.metadata?.uid ?? '')
      if (busy.has(name)) continue
      const turn = turnOf(pod)
        .catch(() => undefined)
        .finally(() => busy.delete(name))
      busy.set(name, turn)
    }
    const present = new Set(items.map(({ metadata }) => metadata?.uid))
    if ([...uids].every(uid => present.has(uid))) return
    // The garbage collector.
    const secrets = await core.listNamespacedSecret({ namespace })
    for (const { metadata } of secrets.items) {
      const owner = metadata?.ownerReferences?.[0]
      if (!owner || present.has(owner.uid)) continue
      await core.deleteNamespacedSecret({ namespace, name: metadata?.name ?? '' }).catch(() => undefined)
    }
  }

  async function turnOf(pod: V1Pod): Promise<void> {
    const { metadata = {}, spec, status = {} } = pod
    const name = metadata.name ?? ''
    const container = containers.get(name)
    if (!spec?.nodeName) return await schedule(pod)
    if (container && hasEnded(container)) {
      if (status.phase === 'Running' || status.phase === 'Pending') return await report(pod, container)
    } else if (container && metadata.deletionTimestamp) return await terminate(pod, container)
    else if (container && deadlinePassed(pod, container)) {
      return end(name, { pod: { phase: 'Failed', reason: 'DeadlineExceeded' }, exitCode: 137 })
    } else if (container && status.phase === 'Pending') {
      return await write(pod, { phase: 'Running' }, { running: { startedAt: container.startedAt } })
    }
    if (!container && !metadata.deletionTimestamp) return await begin(pod)
    if (metadata.deletionTimestamp && (!container || hasEnded(container))) {
      await core.deleteNamespacedPod({ namespace, name, body: { gracePeriodSeconds: 0 } })
    }
  }

  async function schedule(pod: V1Pod): Promise<void> {
    const name = pod.metadata?.name ?? ''
    if (kubelet.unschedulable) {
      const message = '0/1 nodes are available: 1 Insufficient memory.'
      const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
      if (pod.status?.conditions?.some(each => each.reason === 'Unschedulable')) return
      return await write(pod, { phase: 'Pending', conditions: [condition] })
    }
    const binding = { metadata: { name }, target: { apiVersion: 'v1', kind: 'Node', name: NODE } }
    // The answer is a Status, which the client cannot read as a Binding.
    await core.createNamespacedPodBinding({ namespace, name, body: binding })
  }

  async function begin(pod: V1Pod): Promise<void> {
    const { metadata = {}, spec } = pod
    const [container] = spec?.containers ?? []
    const image = container?.image ?? ''
    const waits = (reason: string, message: string) =>
      pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === reason
        ? Promise.resolve()
        : write(pod, { phase: 'Pending' }, { waiting: { reason, message } })
    if (image.startsWith('missing'))
      return await waits('ImagePullBackOff', `Back-off pulling image "${image}"`)
    if (image.startsWith('INVALID'))
      return await waits('InvalidImageName', `Failed to apply default image tag "${image}"`)
    if (image.startsWith('shell-less')) {
      const message = 'exec: "/bin/sh": stat /bin/sh: no such file or directory'
      const now = new Date()
      return await write(
        pod,
        { phase: 'Failed' },
        { terminated: { exitCode: 128, reason: 'StartError', message, startedAt: now, finishedAt: now } },
      )
    }
    const env: Record<string, string> = { PATH: process.env.PATH ?? '' }
    for (const { name, value, valueFrom } of container?.env ?? []) {
      const source = valueFrom?.secretKeyRef
      if (!source) {
        env[name] = value ?? ''
        continue
      }
      const secret = await core
        .readNamespacedSecret({ namespace, name: source.name ?? '' })
        .catch(() => undefined)
      const data = secret?.data?.[source.key]
      if (data === undefined)
        return await waits('CreateContainerConfigError', `secret "${source.name}" not found`)
      env[name] = Buffer.from(data, 'base64').toString()
    }
    const [program = '', ...args] = (container?.command ?? []).map(each => expanded(each, env))
    const log = new ContainerLog()
    const child = spawn(program, args, {
      cwd: plane.folder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.on('data', chunk => log.write('stdout', chunk))
    child.stderr.on('data', chunk => log.write('stderr', chunk))
    // Whatever else the container holds ends with its first process.
    child.on('exit', () => signalGroup(child, 'SIGKILL'))
    child.on('close', () => log.end())
    const running: Container = { log, process: child, startedAt: new Date() }
    containers.set(metadata.name ?? '', running)
    await write(pod, { phase: 'Running' }, { running: { startedAt: running.startedAt } })
  }

  async function terminate({ metadata = {}, spec }: V1Pod, container: Container): Promise<void> {
    // The kernel shields process 1, which the shell is unless the processes of the pod are in one namespace.
    if (spec?.shareProcessNamespace) container.process.kill('SIGTERM')
    const exited = once(container.process, 'close')
    const late = pause((metadata.deletionGracePeriodSeconds ?? 0) * 1_000)
    await Promise.race([exited, late])
    if (!hasEnded(container)) signalGroup(container.process, 'SIGKILL')
  }

  async function report(pod: V1Pod, { process: child, startedAt, fate }: Container): Promise<void> {
    const signal = child.signalCode === 'SIGKILL' ? 137 : child.signalCode === 'SIGTERM' ? 143 : 128
    const exitCode = fate?.exitCode ?? child.exitCode ?? signal
    const reason = fate?.container ?? (exitCode === 0 ? 'Completed' : 'Error')
    const terminated = { exitCode, reason, startedAt, finishedAt: new Date() }
    await write(pod, { phase: exitCode === 0 ? 'Succeeded' : 'Failed', ...fate?.pod }, { terminated })
  }

  async function write(
    { metadata = {} }: V1Pod,
    change: V1PodStatus,
    state?: V1ContainerState,
  ): Promise<void> {
    const name = metadata.name ?? ''
    const pod = await core.readNamespacedPod({ namespace, name })
    const status = {
      name: 'command',
      image: '',
      imageID: '',
      ready: false,
      restartCount: 0,
      ...(state && { state }),
    }
    pod.status = {
      ...pod.status,
      startTime: pod.status?.startTime ?? new Date(),
      ...change,
      ...(state && { containerStatuses: [status] }),
    }
    await core.replaceNamespacedPodStatus({ namespace, name, body: pod })
  }
}

function hasEnded({ log }: Container): boolean {
  return log.hasEnded
}

function deadlinePassed({ spec }: V1Pod, { startedAt }: Container): boolean {
  return Date.now() - startedAt.getTime() > (spec?.activeDeadlineSeconds ?? Number.POSITIVE_INFINITY) * 1_000
}

/** https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/ */
function expanded(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name) =>
    name === undefined ? '$' : (env[name] ?? whole),
  )
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // It is gone.
  }
}
