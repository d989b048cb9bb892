/**
 * Follows one pod by a watch. The watch is only fast: after its end, however it ended, the pod itself is read, so that nothing
 * depends on what a watch has missed (an answer 410, a cut connection, a server that restarts).
 */
import type { V1Pod } from '@kubernetes/client-node'
import { Backoff } from '../../process/backoff.js'
import { elapsed, signalOrDeadline } from '../../process/deadline.js'
import { type ApiServer, isGone, isPassing } from './api-server.js'

/** The API server ends a watch after this time; the runner itself does if the other end is gone. */
const WATCH_SECONDS = 30
const SLACK_MS = 10_000
const AGAIN_MS = { minMs: 100, maxMs: 5_000 }

export interface PodWatchOptions {
  readonly api: ApiServer
  /** The path of the namespace's pods. */
  readonly pods: string
  readonly name: string
  onPod(pod: V1Pod): void
  readonly signal: AbortSignal
}

/**
 * Calls `onPod` with the pod and each change until the pod is gone or `signal` aborts.
 * @throws {ApiFault} if the API server refuses for good.
 */
export async function followPod({ api, pods, name, onPod, signal }: PodWatchOptions): Promise<void> {
  const backoff = new Backoff(AGAIN_MS)
  while (!signal.aborted) {
    const began = performance.now()
    try {
      const pod = await api.insist<V1Pod>('GET', `${pods}/${name}`, { signal })
      onPod(pod)
      if (await watch(pod)) return
    } catch (error) {
      if (signal.aborted || isGone(error)) return
      if (!isPassing(error)) throw error
      api.complain(error)
    }
    if (performance.now() - began > SLACK_MS) backoff.reset()
    await elapsed(backoff.next(), signal)
  }

  /** @returns whether the pod is gone. Otherwise the watch has ended. */
  async function watch({ metadata }: V1Pod): Promise<boolean> {
    const deadline = signalOrDeadline(signal, WATCH_SECONDS * 1_000 + SLACK_MS)
    const query = {
      watch: 'true',
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: metadata?.resourceVersion,
      timeoutSeconds: `${WATCH_SECONDS}`,
    }
    try {
      const body = await api.open(pods, { query, signal: deadline.signal })
      let open = ''
      for await (const chunk of body.setEncoding('utf8')) {
        const lines = `${open}${chunk}`.split('\n')
        open = lines.pop() ?? ''
        for (const line of lines) {
          const { type, object }: { type: string; object: V1Pod } = JSON.parse(line)
          if (type === 'ERROR') return false
          onPod(object)
          if (type === 'DELETED') return true
        }
      }
      return false
    } finally {
      deadline.release()
    }
  }
}
