/**
 * Follows one pod by a watch. The watch is only fast: after its end, however it ended, the pod itself is read, so that nothing
 * depends on what a watch has missed (an answer 410, a cut connection, a server that restarts).
 */
import type { V1Pod } from '@kubernetes/client-node'
import { Backoff } from '../../process/backoff.js'
import { elapsed, signalOrDeadline } from '../../process/deadline.js'
import { type ApiServer, isGone, isPassing } from './api-server.js'

/** A watch that lasted as long was no failure. */
const GOOD_MS = 1_000
const AGAIN_MS = { minMs: 100, maxMs: 5_000 }

export interface PodWatchOptions {
  readonly api: ApiServer
  /** The path of the namespace's pods. */
  readonly pods: string
  readonly name: string
  onPod(pod: V1Pod): void
  /** Milliseconds after which a watch is made again. */
  readonly silenceMs: number
  readonly signal: AbortSignal
}

/**
 * Calls `onPod` with the pod and each change until the pod is gone or `signal` aborts.
 * @throws {ApiFault} if the API server refuses for good.
 */
export async function followPod(options: PodWatchOptions): Promise<void> {
  const { api, pods, name, onPod, silenceMs, signal } = options
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
    if (performance.now() - began > GOOD_MS) backoff.reset()
    await elapsed(backoff.next(), signal)
  }

  /** @returns whether the pod is gone. Otherwise the watch has ended. */
  async function watch({ metadata }: V1Pod): Promise<boolean> {
    const deadline = signalOrDeadline(signal, silenceMs)
    const query = {
      watch: 'true',
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: metadata?.resourceVersion,
      timeoutSeconds: `${Math.ceil((silenceMs * 3) / 4_000)}`,
    }
    try {
      const decoder = new TextDecoder()
      let open = ''
      for await (const chunk of api.read(pods, { query, signal: deadline.signal })) {
        const lines = `${open}${decoder.decode(chunk, { stream: true })}`.split('\n')
        open = lines.pop() ?? ''
        for (const line of lines) {
          const change = changeIn(line)
          if (!change || change.type === 'ERROR') return false
          onPod(change.object)
          if (change.type === 'DELETED') return true
        }
      }
      return false
    } finally {
      deadline.release()
    }
  }
}

/** Undefined if the line is something else, such as part of a proxy's own page. */
function changeIn(line: string): { type: string; object: V1Pod } | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
