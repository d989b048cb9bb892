/** A control plane with a node, the objects of deploy/kubernetes/runner/, and runners that have their access. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1ConfigMap, V1Pod } from '@kubernetes/client-node'
import type { Test } from 'tap'
import type { Program } from '../process.js'
import { startRunner } from '../runner-program.js'
import { type StandInGateway, startStandInGateway } from '../stand-in-gateway.js'
import { type ControlPlane, manifestsIn, startControlPlane } from './control-plane.js'
import { type Kubelet, startKubelet } from './kubelet.js'

export const RUNNER = 'deploy/kubernetes/runner'
export const COMMANDS = 'sluice-commands'

export interface Cluster {
  readonly plane: ControlPlane
  readonly kubelet: Kubelet
  readonly gateway: StandInGateway
  /**
   * Starts a runner with the service account of the runner, and waits until it takes jobs.
   * @param server its way to the API server; default: without a detour.
   */
  runner(
    t: Test,
    options?: { server?: string; args?: readonly string[]; pod?: CommandPodText },
  ): Promise<Program>
  pods(): Promise<V1Pod[]>
}

/** Changes the CommandPod of deploy/kubernetes/runner/. */
export type CommandPodText = (text: string) => string

export async function startCluster(t: Test): Promise<Cluster> {
  const plane = await startControlPlane(t)
  await plane.apply(RUNNER)
  const [gateway, kubelet] = [await startStandInGateway(t), await startKubelet(t, plane, COMMANDS)]
  const files: string[] = []
  return {
    plane,
    kubelet,
    gateway,
    async runner(t, { server, args = [], pod = (text: string) => text } = {}) {
      const file = join(plane.folder, `command-pod-${files.length}.yaml`)
      files.push(file)
      await writeFile(file, pod(await declaredPod()))
      return await startRunner(t, gateway.url, {
        args: ['--executor', `local=kubernetes:${file}`, '--concurrency', '8', ...args],
        env: {
          KUBECONFIG: await plane.kubeconfigOf('sluice-runner', 'sluice-runner', server),
          SECRET_OF_CI: 'passed',
        },
      })
    },
    async pods() {
      return (await plane.core.listNamespacedPod({ namespace: COMMANDS })).items
    },
  }
}

async function declaredPod(): Promise<string> {
  const maps = (await manifestsIn(RUNNER)).filter(({ kind }) => kind === 'ConfigMap')
  const [map] = maps as V1ConfigMap[]
  return map?.data?.['command-pod.yaml'] ?? ''
}
