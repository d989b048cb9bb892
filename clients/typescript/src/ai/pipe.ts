/**
 * Writes the items of a source, such as the parts of a model's answer, to a durable stream of its own: in batches, each item exactly
 * once, across lost answers, restarts of gateways and of producers.
 */
import type { ClientOptions } from '../client-options.js'
import { RefusedError, SluiceError } from '../errors.js'
import { Gateway } from '../requests.js'
import { type BatchLimits, pump, type SourceEnd } from './batches.js'
import { cancelled } from './cancellation.js'
import { DurableStream, type Stored, type StreamOptions } from './durable-stream.js'
import { itemsOf } from './items-of-stream.js'
import { StreamWriter, type Written } from './stream-writer.js'

/** A source that is lost to other writers this often is not started again. */
const MAX_STARTS = 5

export interface SourceStart {
  /** Aborted when the source is no longer needed: give it to the model. */
  readonly signal: AbortSignal
  /** The items that an earlier producer has stored: the source continues after them. Empty unless `resume` is set. */
  readonly stored: readonly unknown[]
}

/** The items, or a function that starts them. */
export type Source =
  | AsyncIterable<unknown>
  | ((start: SourceStart) => AsyncIterable<unknown> | Promise<AsyncIterable<unknown>>)

export interface PipeOptions extends StreamOptions, BatchLimits {
  /** The stream to write, such as `chat/7/42`. It is created, and closed at the end: each answer has its own. */
  readonly stream: string
  /** Continue a stream that an earlier producer has begun. Needs a function as the source. Default false: that is an error. */
  readonly resume?: boolean | undefined
  /** Identifies the producer across restarts: a later one with the same id replaces an earlier one. Default `pipe`. */
  readonly producerId?: string | undefined
  /** Follow the stream for `cancel`, over one connection. Default true. */
  readonly cancellable?: boolean | undefined
  /** Cancels, as `cancel` does. */
  readonly signal?: AbortSignal | undefined
  /** Stores what the source has given and leaves the stream open, for a producer that continues it: for a restart. */
  readonly leave?: AbortSignal | undefined
  /** The part that tells readers of a failure of the source. Default: an error part without the reason, which may be a secret. */
  errorPart?: ((error: unknown) => unknown) | undefined
  /** The part that tells readers of a cancel. Default: an abort part. */
  abortPart?: ((reason: string | undefined) => unknown) | undefined
}

export interface PipeResult {
  readonly stream: string
  /**
   * `finished`; `cancelled`; `failed`: the source has thrown `error`; `left` (the option `leave`); `complete`: an earlier producer had
   * finished it; `taken-over`: a later producer has it; `closed`: somebody else has closed it.
   */
  readonly outcome: SourceEnd['how'] | 'complete' | 'taken-over' | 'closed'
  /** How many items the stream holds: messages, or bytes of a stream that is not JSON. Of `taken-over` and `closed`: at least. */
  readonly stored: number
  readonly error?: unknown
}

/** A stream that exists, and the result of writing to it. */
export interface Piping {
  readonly stream: string
  /** Rejects if something could not be stored: the stream is then left as it is, and a producer can continue it. */
  readonly done: Promise<PipeResult>
}

/**
 * Writes the source to the stream. @returns when the stream is closed, also if the source has failed or was cancelled.
 * @throws RefusedError or GaveUpError if something could not be stored; a SluiceError `stream-occupied` if the stream has items and
 * `resume` is not set.
 */
export async function pipe(source: Source, options: PipeOptions & ClientOptions): Promise<PipeResult> {
  return await (await startPipe(new Gateway(options), source, options)).done
}

/** @returns when the stream exists, so that a client can follow or cancel it; the source is not started before. */
export async function startPipe(gateway: Gateway, source: Source, options: PipeOptions): Promise<Piping> {
  const { signal } = options
  const stream = new DurableStream(gateway, options.stream, options)
  const state = await stream.create(signal)
  const done = write(stream, state, source, options)
  // The caller may look at it later.
  done.catch(() => {})
  return { stream: options.stream, done }
}

async function write(
  stream: DurableStream,
  state: 'created' | 'exists' | 'closed',
  source: Source,
  options: PipeOptions,
): Promise<PipeResult> {
  const { resume = false, producerId = 'pipe' } = options
  const result = (outcome: PipeResult['outcome'], stored: number) => ({
    stream: stream.name,
    outcome,
    stored,
  })
  let isNew = state === 'created'
  if (state === 'closed' && !resume) throw occupied(stream.name)
  for (let starts = 0; starts < MAX_STARTS; starts++) {
    const stored: Stored =
      isNew || !resume ? { messages: [], count: 0, isClosed: false } : await stream.read(options.signal)
    if (stored.isClosed) return result('complete', stored.count)
    isNew = false
    const writer = new StreamWriter(stream, producerId, stored.count)
    const end = await writeOnce(writer, source, stored.messages, options)
    if (typeof end === 'object') {
      return { ...result(end.how, writer.count), ...(end.how === 'failed' && { error: end.error }) }
    }
    if (end !== 'occupied') return result(end, writer.count)
    if (!resume) break
  }
  throw occupied(stream.name)
}

async function writeOnce(
  writer: StreamWriter,
  source: Source,
  stored: readonly unknown[],
  options: PipeOptions,
): Promise<SourceEnd | Exclude<Written, 'stored'>> {
  const { stream } = writer
  const { signal, leave, cancellable = true, errorPart = hiddenError, abortPart = abort } = options
  const cancelling = new AbortController()
  const left = new AbortController()
  const started = new AbortController()
  let reason: string | undefined
  let refusal: unknown
  let refused: Exclude<Written, 'stored'> | SourceEnd | undefined
  /** The last batch is on its way, so the end of the stream is expected. */
  let isClosing = false
  const release = [relay(signal, cancelling), relay(leave, left)]
  // Either signal ends the source.
  for (const { signal } of [cancelling, left]) signal.addEventListener('abort', () => started.abort())
  const following = new AbortController()
  if (cancellable) {
    cancelled(stream.gateway, stream.name, following.signal).then(
      cancel => {
        if (following.signal.aborted || isClosing) return
        reason = cancel?.reason
        if (cancel) return cancelling.abort()
        refused = 'closed'
        left.abort()
      },
      error => {
        refusal = error
        left.abort()
      },
    )
  }
  const format = itemsOf(stream)
  try {
    if (cancelling.signal.aborted) started.abort()
    const end = await pump(
      {
        start: () => (typeof source === 'function' ? source({ signal: started.signal, stored }) : source),
        encode: format.encode,
        endItems: ended => format.partsOf(ended, { errorPart, abortPart: () => abortPart(reason) }),
        send: async (items, isLast) => {
          const batch = format.bodyOf(items)
          // Empty texts.
          if (!batch.body && !isLast) return true
          isClosing = isLast
          const written = await writer.append({ ...batch, isLast }).catch(async error => {
            if (!isUnfit(error)) throw error
            // Its readers get the end of the answer, as if the source had failed.
            const end: SourceEnd = { how: 'failed', error }
            const parts = format.partsOf(end, { errorPart, abortPart: () => undefined })
            const written = await writer.append({ ...format.bodyOf(parts), isLast: true })
            return written === 'stored' ? end : written
          })
          if (written !== 'stored') refused = written
          return written === 'stored'
        },
        cancelled: cancelling.signal,
        left: left.signal,
      },
      options,
    )
    if (refusal) throw refusal
    return refused ?? end ?? 'closed'
  } finally {
    started.abort()
    following.abort()
    for (const done of release) done()
  }
}

/** The server takes no such items: they are too large, or hold what it cannot store. */
function isUnfit(error: unknown): boolean {
  return error instanceof RefusedError && [400, 413, 422].includes(error.status ?? 0)
}

/** Aborts `controller` with the signal. @returns the end of that. */
function relay(signal: AbortSignal | undefined, controller: AbortController): () => void {
  const abort = () => controller.abort()
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  return () => signal?.removeEventListener('abort', abort)
}

function hiddenError(): unknown {
  return { type: 'error', errorText: 'The answer could not be completed.' }
}

function abort(reason: string | undefined): unknown {
  return { type: 'abort', ...(reason && { reason }) }
}

function occupied(stream: string): SluiceError {
  return new SluiceError(
    'stream-occupied',
    `The stream ${stream} has items already: choose another name, or continue it with resume.`,
  )
}
