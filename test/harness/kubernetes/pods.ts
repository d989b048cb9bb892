/** Commands in pods, run by the executor in the process of the test: with times of the test, and on a network that can fail. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Outcome } from '../../../src/runner/executor.js'
import { KubernetesExecutors } from '../../../src/runner/kubernetes/kubernetes-executor.js'
import { POD_TIMES } from '../../../src/runner/kubernetes/pod-run.js'
import { LEASE_TIMES } from '../../../src/runner/kubernetes/runner-lease.js'
import { until } from '../until.js'
import { type Cluster, COMMANDS } from './cluster.js'

export const TIMES = { ...POD_TIMES, ...LEASE_TIMES }

export interface Running {
  /** Its end; a string is the reason for which it was not run. */
  readonly outcome: Promise<Outcome | string>
  /** What it has written so far; lines of the runner's own are in `notes`. */
  readonly output: () => string
  readonly notes: () => string
  abort(): void
  /** Resolves with the name of its pod when its container has begun. */
  started(): Promise<string>
}

export interface Pods {
  readonly executors: KubernetesExecutors
  readonly lines: readonly string[]
  run(
    command: string,
    options?: { image?: string; timeoutMs?: number; room?: () => Promise<void> | undefined },
  ): Running
}

/** Closed when the test is over. @param server the way to the API server. */
export async function connectPods(
  t: Test,
  { plane, kubelet }: Cluster,
  { server, times = TIMES, spec = '' }: { server?: string; times?: typeof TIMES; spec?: string } = {},
): Promise<Pods> {
  const file = join(plane.folder, `pod-${Math.random()}.yaml`)
  await writeFile(
    file,
    `{apiVersion: sluice/v1, kind: CommandPod, metadata: {namespace: ${COMMANDS}}, spec: {serviceAccountName: sluice-command, ${spec}}}`,
  )
  process.env.KUBECONFIG = await plane.kubeconfigOf('sluice-runner', 'sluice-runner', server)
  const lines: string[] = []
  const log = (line: string) => void lines.push(line)
  const executors = await KubernetesExecutors.connect({ file, runner: 'test', log, times })
  t.teardown(() => executors.close())
  let jobs = 0
  return {
    executors,
    lines,
    run(command, { image = 'debian:12', timeoutMs, room } = {}) {
      const ending = new AbortController()
      const id = `job-${process.pid}-${jobs++}-${Date.now()}`
      const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
      const outcome = executors
        .with(image)
        .run(command, {
          cwd: '/',
          env: {},
          variables: { SLUICE_JOB_ID: id },
          timeoutMs,
          signal: ending.signal,
          onOutput(stream, chunk) {
            written[stream].push(chunk)
            return room?.()
          },
        })
        .catch((error: Error) => error.message)
      return {
        outcome,
        output: () => Buffer.concat(written.stdout).toString(),
        notes: () => Buffer.concat(written.stderr).toString(),
        abort: () => ending.abort(),
        async started() {
          let name = ''
          await until('the container has begun', async () => {
            const { items } = await plane.core.listNamespacedPod({
              namespace: COMMANDS,
              labelSelector: `sluice/job=${id}`,
            })
            name = items[0]?.metadata?.name ?? ''
            return kubelet.containers.has(name)
          })
          return name
        },
      }
    },
  }
}
