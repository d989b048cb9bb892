/**
 * One command in its pod, from the pod's creation to its removal.
 *
 *   created ── the container starts ──▶ running ── it ends ──▶ its log is read to the end ──▶ over: the pod is removed
 *      ├── it cannot start, does not in time, or the API server refuses to show it ──▶ removed, and the reason is thrown
 *      └── aborted: the pod is deleted with its grace, and by force if the node does not end it ──▶ over
 *
 * While the API server is away the command goes on and the runner waits: for the end of the command, and for the removal of its pod.
 */
import { randomUUID } from 'node:crypto'
import type { V1Pod } from '@kubernetes/client-node'
import { elapsed } from '../../process/deadline.js'
import type { Execution, Outcome } from '../executor.js'
import { type ApiServer, isGone, isThere, messageOf } from './api-server.js'
import { type CommandPod, podOf, secretOf } from './command-pod.js'
import { passOnLog } from './pod-log.js'
import { type PodState, stateOf } from './pod-state.js'
import { followPod } from './pod-watch.js'

export interface PodTimes {
  /** Milliseconds in which a pod must have started: a cluster that grows needs minutes for a node, a large image too. */
  readonly startMs: number
  /** Milliseconds for which a node may fail to start it: a registry that does not answer, for example. */
  readonly faultMs: number
  /** Milliseconds after a pod's grace, until it is removed by force. */
  readonly forceMs: number
  /** Milliseconds after which a silent connection may be one whose other end is gone, so that it is made again. */
  readonly silenceMs: number
  /** Milliseconds for which a pod that the API server forbids is asked for again. */
  readonly forbiddenMs: number
}
export const POD_TIMES: PodTimes = {
  startMs: 600_000,
  faultMs: 60_000,
  forceMs: 3_000,
  silenceMs: 40_000,
  forbiddenMs: 10_000,
}

export interface PodRunOptions {
  readonly api: ApiServer
  readonly declared: CommandPod
  readonly image: string | undefined
  /** The path of the namespace. */
  readonly namespace: string
  /** The name of the runner's Lease. */
  readonly runner: string
  /** The names of the pods that run commands of this process; others with its label are orphans. */
  readonly names: Set<string>
  readonly times: PodTimes
}

/** The end of the container, or of waiting for it. */
type End = Extract<PodState, { is: 'ended' | 'refused' }> | { readonly is: 'gone' }

export async function runInPod(
  command: string,
  execution: Execution,
  options: PodRunOptions,
): Promise<Outcome> {
  const name = `command-${randomUUID()}`
  options.names.add(name)
  try {
    return await new PodRun(name, execution, options).run(command)
  } finally {
    options.names.delete(name)
  }
}

class PodRun {
  readonly #name: string
  readonly #execution: Execution
  readonly #options: PodRunOptions
  readonly #begun = performance.now()
  /** Aborts when the container has ended or the pod is gone: then also the watch is over. */
  readonly #ended = new AbortController()
  readonly #gone = new AbortController()
  #end: End | undefined
  #state: PodState = { is: 'waiting', why: 'No node has been chosen for it.' }
  #wasForced = false
  #log: Promise<void> | undefined
  #faultTimer: NodeJS.Timeout | undefined

  constructor(name: string, execution: Execution, options: PodRunOptions) {
    this.#name = name
    this.#execution = execution
    this.#options = options
  }

  async run(command: string): Promise<Outcome> {
    const { signal } = this.#execution
    const pod = await this.#create(command)
    if (!pod) return this.#outcome({ is: 'gone' })
    const over = new AbortController()
    const kill = () => void this.#kill(pod, over.signal)
    signal.addEventListener('abort', kill)
    if (signal.aborted) kill()
    const late = setTimeout(() => this.#giveUp(this.#options.times.startMs), this.#options.times.startMs)
    try {
      const { api, namespace, times } = this.#options
      const { silenceMs } = times
      const follow = { api, pods: `${namespace}/pods`, name: this.#name, silenceMs, signal: over.signal }
      await Promise.race([
        followPod({ ...follow, onPod: seen => this.#observe(seen, late) }).then(() =>
          this.#finish({ is: 'gone' }, true),
        ),
        new Promise(resolve => this.#ended.signal.addEventListener('abort', resolve)),
      ])
      await this.#log
    } catch (error) {
      this.#finish({ is: 'gone' }, true)
      await this.#log
      await this.#remove()
      throw error
    } finally {
      clearTimeout(late)
      clearTimeout(this.#faultTimer)
      signal.removeEventListener('abort', kill)
      over.abort()
    }
    const end = this.#end ?? { is: 'gone' }
    if (end.is !== 'gone') await this.#remove()
    return this.#outcome(end)
  }

  /** Undefined if the command must end before it has begun. */
  async #create(command: string): Promise<V1Pod | undefined> {
    const { api, declared, image, namespace, runner, times } = this.#options
    const { env, variables = {}, signal, timeoutMs } = this.#execution
    const all = { ...env, ...variables }
    const body = podOf(declared, { name: this.#name, runner, command, image, variables: all, timeoutMs })
    const query = { fieldValidation: 'Strict' }
    try {
      const pod = await api
        .insist<V1Pod>('POST', `${namespace}/pods`, { query, body, signal, forbiddenMs: times.forbiddenMs })
        .catch(error => {
          if (!isThere(error)) throw error
          return api.insist<V1Pod>('GET', `${namespace}/pods/${this.#name}`, { signal })
        })
      if (Object.keys(all).length > 0) {
        const secret = { query, body: secretOf(pod, all), signal, forbiddenMs: times.forbiddenMs }
        await api.insist('POST', `${namespace}/secrets`, secret).catch(error => {
          if (!isThere(error)) throw error
        })
      }
      return pod
    } catch (error) {
      await this.#remove()
      if (signal.aborted) return undefined
      throw new Error(`The pod of the command cannot be made. ${messageOf(error)}`)
    }
  }

  #observe(pod: V1Pod, late: NodeJS.Timeout): void {
    const { times } = this.#options
    this.#state = stateOf(pod)
    const state = this.#state
    if (state.is === 'faulty') {
      this.#faultTimer ??= setTimeout(() => this.#giveUp(times.faultMs), times.faultMs)
    } else {
      clearTimeout(this.#faultTimer)
      this.#faultTimer = undefined
    }
    if (state.is === 'running' || state.is === 'ended') {
      clearTimeout(late)
      this.#log ??= passOnLog({
        api: this.#options.api,
        path: `${this.#options.namespace}/pods/${this.#name}`,
        onOutput: this.#execution.onOutput,
        silenceMs: times.silenceMs,
        ended: this.#ended.signal,
        gone: this.#gone.signal,
      })
    }
    if (state.is === 'ended' || state.is === 'refused') this.#finish(state, false)
  }

  #finish(end: End, isGone: boolean): void {
    this.#end ??= end
    this.#ended.abort()
    if (isGone) this.#gone.abort()
  }

  #giveUp(ms: number): void {
    const { is } = this.#state
    if (is !== 'waiting' && is !== 'faulty') return
    this.#finish(
      { is: 'refused', why: `The pod did not start within ${ms / 1_000} s. ${this.#state.why}` },
      false,
    )
  }

  /** Ends the command early. */
  async #kill({ spec }: V1Pod, over: AbortSignal): Promise<void> {
    const { api, namespace, times } = this.#options
    const graceSeconds = spec?.terminationGracePeriodSeconds ?? 0
    const remove = (seconds: number) =>
      api
        .insist('DELETE', `${namespace}/pods/${this.#name}`, {
          body: { gracePeriodSeconds: seconds },
          signal: over,
        })
        .catch(() => undefined)
    await remove(graceSeconds)
    if (!(await elapsed(graceSeconds * 1_000 + times.forceMs, over))) return
    this.#wasForced = true
    await remove(0)
  }

  /** If the API server does not answer, the collection of orphans removes the pod later. */
  async #remove(): Promise<void> {
    const { api, namespace } = this.#options
    await api
      .call('DELETE', `${namespace}/pods/${this.#name}`, { signal: new AbortController().signal })
      .catch(error => isGone(error) || api.complain(error))
  }

  /** @throws {Error} if the command was never started. */
  #outcome(end: End): Outcome {
    const durationMs = Math.round(performance.now() - this.#begun)
    const { aborted } = this.#execution.signal
    if (end.is === 'ended') {
      const { exitCode, why } = end
      const signal = aborted ? SIGNALS.get(exitCode) : undefined
      return {
        exitCode: signal === undefined ? exitCode : null,
        signal: signal ?? null,
        durationMs,
        ...(why !== undefined && !aborted && exitCode !== 0 && { error: why }),
      }
    }
    if (aborted) {
      const error =
        'The node did not end the command in time. Its pod was removed by force; it may still run there.'
      return this.#wasForced
        ? { exitCode: null, signal: 'SIGKILL', durationMs, error }
        : { exitCode: null, signal: 'SIGTERM', durationMs }
    }
    if (end.is === 'refused') throw new Error(end.why)
    if (!this.#log) throw new Error('The pod was deleted before its command began.')
    return { exitCode: null, signal: null, durationMs, error: 'The pod was deleted while its command ran.' }
  }
}

/** As Kubernetes reports the signals by which the runner has a command ended. */
const SIGNALS: ReadonlyMap<number | null, string> = new Map([
  [143, 'SIGTERM'],
  [137, 'SIGKILL'],
])
