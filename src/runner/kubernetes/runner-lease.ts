/**
 * The Lease of this runner, by which other runners see that it lives, and the collection of orphans: of pods whose runner has died.
 * Each runner renews its own Lease and looks at those of the others. The label of a pod names the Lease of its runner.
 *
 * A Lease has expired when this runner has seen no renewal for the Lease's duration, by its own clock: clocks of machines differ.
 * Only time counts in which the API server answered: otherwise all runners would find all others dead after its outage.
 */
import type { V1Lease, V1Pod } from '@kubernetes/client-node'
import { elapsed } from '../../process/deadline.js'
import { type ApiFault, type ApiServer, isGone } from './api-server.js'
import { RUNNER_LABEL } from './command-pod.js'

export interface LeaseTimes {
  /** Milliseconds between two turns. */
  readonly everyMs: number
  /** Seconds without a renewal after which others remove the pods of a runner. */
  readonly seconds: number
}
export const LEASE_TIMES: LeaseTimes = { everyMs: 10_000, seconds: 45 }

export interface RunnerLeaseOptions {
  readonly api: ApiServer
  readonly namespace: string
  readonly name: string
  /** The runner's own name, for people. */
  readonly holder: string
  /** The names of the pods that run commands of this process. */
  readonly names: ReadonlySet<string>
  readonly times: LeaseTimes
  log(line: string): void
}

interface List<T> {
  readonly items: readonly T[]
}
/** When this runner saw a change last, by performance.now(). */
interface Sight {
  readonly renewed: string
  readonly at: number
}

export class RunnerLease {
  readonly #options: RunnerLeaseOptions
  /** The path of the namespace. */
  readonly #pods: string
  readonly #leases: string
  readonly #closing = new AbortController()
  #sights = new Map<string, Sight>()
  /** Its own pods that no command needed at the last turn: a pod that is being removed is one for a moment. */
  #strays = new Set<string>()
  #turns: Promise<void> | undefined

  constructor(options: RunnerLeaseOptions) {
    this.#options = options
    this.#pods = `/api/v1/namespaces/${options.namespace}/pods`
    this.#leases = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`
  }

  /** @throws {ApiFault} if the API server does not answer or refuses the Lease. */
  async start(): Promise<void> {
    await this.#renew()
    this.#turns = this.#repeat()
  }

  /** Pods that are left are removed by other runners when the Lease has expired. Closing twice is fine. */
  async close(): Promise<void> {
    const { api, name, names } = this.#options
    this.#closing.abort()
    await this.#turns
    if (names.size > 0) return
    const signal = new AbortController().signal
    await api.call('DELETE', `${this.#leases}/${name}`, { signal }).catch(() => undefined)
  }

  async #repeat(): Promise<void> {
    const { signal } = this.#closing
    do {
      try {
        await this.#turn()
      } catch (error) {
        this.#sights = new Map()
        if (!signal.aborted) this.#options.api.complain(error)
      }
    } while (await elapsed(this.#options.times.everyMs, signal))
  }

  /** Creates the Lease if it is missing: at the start, and when another runner has taken this one for dead. */
  async #renew(resourceVersion?: string): Promise<void> {
    const { api, name, holder, times } = this.#options
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, resourceVersion, labels: { [RUNNER_LABEL]: name } },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: times.seconds,
        // Kubernetes reads microseconds, six digits of them.
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    }
    await api.call('PUT', `${this.#leases}/${name}`, { body, signal: this.#closing.signal })
  }

  async #turn(): Promise<void> {
    const { api, name, names, times } = this.#options
    const call = { query: { labelSelector: RUNNER_LABEL }, signal: this.#closing.signal }
    // The pods first: a pod is younger than the Lease of its runner.
    const pods = await api.call<List<V1Pod>>('GET', this.#pods, call)
    const leases = await api.call<List<V1Lease>>('GET', this.#leases, call)
    const runners = new Map<string, V1Lease | undefined>()
    for (const pod of pods.items) runners.set(runnerOf(pod), undefined)
    for (const lease of leases.items) runners.set(lease.metadata?.name ?? '', lease)
    await this.#renew(runners.get(name)?.metadata?.resourceVersion)
    runners.delete(name)
    this.#forgetOthers(runners)
    for (const [runner, lease] of runners) {
      const renewed = `${lease?.spec?.renewTime ?? ''}`
      const seen = this.#sights.get(runner)
      if (seen?.renewed !== renewed) this.#sights.set(runner, { renewed, at: performance.now() })
      else if (performance.now() - seen.at > (lease?.spec?.leaseDurationSeconds ?? times.seconds) * 1_000) {
        await this.#removeAll(pods.items.filter(pod => runnerOf(pod) === runner))
        if (lease) await this.#remove(`${this.#leases}/${runner}`)
      }
    }
    // Their creation was given up, or their removal failed.
    const strays = pods.items.filter(pod => runnerOf(pod) === name && !names.has(nameOf(pod)))
    const seen = this.#strays
    this.#strays = new Set(strays.map(nameOf))
    await this.#removeAll(strays.filter(pod => seen.has(nameOf(pod))))
  }

  #forgetOthers(runners: ReadonlyMap<string, unknown>): void {
    for (const runner of this.#sights.keys()) if (!runners.has(runner)) this.#sights.delete(runner)
  }

  async #removeAll(pods: readonly V1Pod[]): Promise<void> {
    for (const pod of pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined)) {
      this.#options.log(`Removing the pod ${nameOf(pod)}, which no runner needs.`)
      await this.#remove(`${this.#pods}/${nameOf(pod)}`)
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#options.api
      .call('DELETE', path, { signal: this.#closing.signal })
      .catch((error: ApiFault) => {
        if (!isGone(error)) throw error
      })
  }
}

function nameOf({ metadata }: V1Pod): string {
  return metadata?.name ?? ''
}

function runnerOf({ metadata }: V1Pod): string {
  return metadata?.labels?.[RUNNER_LABEL] ?? ''
}
