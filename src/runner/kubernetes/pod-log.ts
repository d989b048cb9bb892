/**
 * Passes on the output of a container from its log, without loss and without repeats, whatever happens to the connections to the API
 * server and from there to the node.
 *
 *   following ── the stream breaks, ends or is silent for long ──▶ following again, from the place that was reached
 *      └── the container has ended ──▶ reading what is left ── nothing new is left ──▶ over
 *
 * The API server ends a stream in the same way whether the log is over or the node has gone away. So the end of a stream says
 * nothing: the output is complete when a read that began after the container's end has reached the place and brought nothing new.
 */
import { Backoff } from '../../process/backoff.js'
import { elapsed } from '../../process/deadline.js'
import type { Execution } from '../executor.js'
import { type ApiServer, isPassing, messageOf } from './api-server.js'
import { CONTAINER } from './command-pod.js'
import { LogPlace } from './log-place.js'

const AGAIN_MS = { minMs: 100, maxMs: 5_000 }
/** How long a stream may stay silent after the container has ended, when it should end too. */
const ENDED_SILENCE_MS = 3_000
/** The time for reading what is left, with an API server or a node that does not answer. */
const LAST_READS_MS = 60_000
/** Reads without a line, not even the last one that was seen. */
const EMPTY_READS = 3

export interface PodLogOptions {
  readonly api: ApiServer
  /** The path of the pod. */
  readonly path: string
  readonly onOutput: Execution['onOutput']
  /** Milliseconds after which a silent stream may be one whose other end is gone. */
  readonly silenceMs: number
  /** Aborts when the container has ended. */
  readonly ended: AbortSignal
  /** Aborts when the pod is gone, and its log with it. */
  readonly gone: AbortSignal
}

/** Resolves when all output has been passed on, or no more of it can be had. Never rejects. */
export async function passOnLog(options: PodLogOptions): Promise<void> {
  const { api, ended, gone, onOutput } = options
  const place = new LogPlace()
  const backoff = new Backoff(AGAIN_MS)
  const note = (text: string) => onOutput('stderr', Buffer.from(`sluice: ${text}\n`))
  let emptyReads = 0
  let deadline: number | undefined
  while (!gone.aborted) {
    const isLast = ended.aborted
    let fault = 'the node does not have it.'
    let isFinal = false
    try {
      const { seen, fresh, isCut } = await readOnce(place, isLast, options)
      if (place.isTorn) await note('Lines may be missing here: the node has begun a new log file meanwhile.')
      if (fresh > 0) {
        backoff.reset()
        deadline = undefined
      } else if (isLast && !isCut) {
        if (!place.isSeeking) return
        // A read that got lines, but not the place, was cut off early. One without lines means that the place may be gone.
        if (seen === 0) emptyReads += 1
        isFinal = emptyReads === EMPTY_READS
      }
    } catch (error) {
      if (gone.aborted) return
      if (isPassing(error)) api.complain(error)
      isFinal = isLast && !isPassing(error)
      fault = messageOf(error)
    }
    if (isLast) deadline ??= performance.now() + LAST_READS_MS
    if (isFinal || (deadline !== undefined && performance.now() > deadline)) {
      await note(`The end of the output may be missing: ${fault}`)
      return
    }
    await elapsed(backoff.next(), isLast ? gone : ended)
  }
}

/** @returns the number of bytes, that of new ones, and whether the read ended before its time. */
async function readOnce(place: LogPlace, isLast: boolean, options: PodLogOptions) {
  const { api, path, onOutput, silenceMs, ended } = options
  const query = {
    container: CONTAINER,
    follow: isLast ? undefined : 'true',
    timestamps: 'true',
    sinceTime: place.since,
  }
  const reading = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let isPaused = false
  const arm = () => {
    clearTimeout(timer)
    if (!isPaused) timer = setTimeout(() => reading.abort(), ended.aborted ? ENDED_SILENCE_MS : silenceMs)
  }
  ended.addEventListener('abort', arm)
  let [seen, fresh] = [0, 0]
  let isCut = false
  place.begin()
  try {
    arm()
    for await (const chunk of api.read(`${path}/log`, { query, signal: reading.signal })) {
      seen += chunk.length
      const bytes = Buffer.concat(place.push(chunk))
      fresh += bytes.length
      isPaused = true
      if (bytes.length > 0) await onOutput('stdout', bytes)
      isPaused = false
      arm()
    }
  } catch (error) {
    if (fresh === 0 && !reading.signal.aborted) throw error
    isCut = true
  } finally {
    clearTimeout(timer)
    ended.removeEventListener('abort', arm)
  }
  return { seen, fresh, isCut }
}
