/**
 * Runs commands in pods of a Kubernetes cluster, each in its own. Only a runner with this executor loads the client library, which
 * is an optional dependency.
 *
 * Close it when all commands have ended.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { UsageError } from '../../process/usage.js'
import { withoutMachine } from '../environment.js'
import type { Executor } from '../executor.js'
import { ApiServer, messageOf } from './api-server.js'
import { type CommandPod, commandPodOf, podOf } from './command-pod.js'
import { POD_TIMES, type PodTimes, runInPod } from './pod-run.js'
import { LEASE_TIMES, type LeaseTimes, RunnerLease } from './runner-lease.js'

export interface KubernetesOptions {
  /** The file with the CommandPod. Without it every project must name an image, and pods have the defaults. */
  readonly file: string | undefined
  /** The runner's name, for people. */
  readonly runner: string
  log(line: string): void
  readonly times?: PodTimes & LeaseTimes
}

export class KubernetesExecutors {
  readonly #api: ApiServer
  readonly #declared: CommandPod
  readonly #namespace: string
  readonly #names = new Set<string>()
  readonly #lease: RunnerLease
  readonly #leaseName: string
  readonly #times: PodTimes

  /**
   * Takes the cluster from KUBECONFIG, `~/.kube/config` or the service account of this pod, and verifies that the API server would
   * accept pods.
   * @throws {UsageError} if the library is missing or the file is wrong.
   * @throws {Error} if the API server does not answer, or refuses.
   */
  static async connect(options: KubernetesOptions): Promise<KubernetesExecutors> {
    const client = await import('@kubernetes/client-node').catch(() => {
      throw new UsageError(
        'The executor kubernetes needs the package @kubernetes/client-node, which is not installed. Install it beside sluice: ' +
          'npm install @kubernetes/client-node@1.4.0',
      )
    })
    const config = new client.KubeConfig()
    config.loadFromDefault()
    const declared = await declaredIn(options.file, client.loadYaml)
    const namespace =
      declared.metadata?.namespace ?? config.getContextObject(config.getCurrentContext())?.namespace
    const executors = new KubernetesExecutors(
      options,
      new ApiServer(config, options.log),
      declared,
      namespace ?? 'default',
    )
    await executors.#start()
    return executors
  }

  private constructor(options: KubernetesOptions, api: ApiServer, declared: CommandPod, namespace: string) {
    const { times = { ...POD_TIMES, ...LEASE_TIMES }, runner, log } = options
    this.#api = api
    this.#declared = declared
    this.#namespace = `/api/v1/namespaces/${namespace}`
    this.#leaseName = `sluice-runner-${randomUUID()}`
    this.#times = times
    const lease = { api, namespace, name: this.#leaseName, holder: runner, names: this.#names, times, log }
    this.#lease = new RunnerLease(lease)
  }

  /** @param image of the project; the declared one if undefined. */
  with(image: string | undefined): Executor {
    const options = {
      api: this.#api,
      declared: this.#declared,
      image,
      namespace: this.#namespace,
      runner: this.#leaseName,
      names: this.#names,
      times: this.#times,
    }
    return {
      run: (command, execution) =>
        runInPod(command, { ...execution, env: withoutMachine(execution.env) }, options),
    }
  }

  async close(): Promise<void> {
    await this.#lease.close()
  }

  async #start(): Promise<void> {
    // A misspelt field, a missing right or a policy is reported now, not by the first job.
    const trial = {
      name: 'command-trial',
      runner: this.#leaseName,
      command: 'true',
      image: 'trial',
      variables: {},
    }
    const { signal } = new AbortController()
    const query = { dryRun: 'All', fieldValidation: 'Strict' }
    await this.#api.call('POST', `${this.#namespace}/pods`, {
      query,
      body: podOf(this.#declared, trial),
      signal,
    })
    await this.#lease.start()
  }
}

async function declaredIn(file: string | undefined, parse: (text: string) => unknown): Promise<CommandPod> {
  if (file === undefined) return { apiVersion: 'sluice/v1', kind: 'CommandPod' }
  try {
    return commandPodOf(parse(await readFile(file, 'utf8')))
  } catch (error) {
    throw new UsageError(`--executor: ${file} cannot be used. ${messageOf(error)}`)
  }
}
