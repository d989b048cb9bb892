/**
 * One POST. Its answer is read as far as it is of use: its status, its `Retry-After`, and enough of its body that the connection can be
 * used again. A receiver can neither keep us longer than the time limit, whatever it sends and however slowly, nor fill our memory.
 */
import { setMaxListeners } from 'node:events'
import type { Dispatcher } from 'undici'
import { ConnectionFault } from '../../network/checked-connector.js'
import { BeginningOfAnswer } from './beginning-of-answer.js'
import type { FailureKind, Outcome } from './outcome.js'
import { retryAfterMsIn } from './retry-after.js'

export interface Post {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** Whether its connection stays open for a further request. */
  readonly isKept: boolean
  /** Aborts the request. */
  readonly signal?: AbortSignal | undefined
}

export interface PostLimits {
  /** The time limit, from now to the last byte of the answer, in milliseconds. */
  readonly timeoutMs: number
  /** The bytes of an answer that are read at most; a longer one counts by its status, and its connection is closed. */
  readonly answerBytes: number
}

/** Settles exactly once, with the first of: answer, failure, time limit, abort. Never rejects. */
export function post(dispatcher: Dispatcher, request: Post, limits: PostLimits): Promise<Outcome> {
  return new Promise(resolve => {
    const exchange = new Exchange(request, limits, resolve)
    if (exchange.isSettled) return
    const { url, headers, body, isKept } = request
    const path = `${url.pathname}${url.search}`
    dispatcher.dispatch({ origin: url.origin, path, method: 'POST', headers, body, reset: !isKept }, exchange)
  })
}

/** Ends a request that has its outcome already. */
class Ended extends Error {}

class Exchange implements Dispatcher.DispatchHandler {
  isSettled = false
  readonly #started = performance.now()
  readonly #beginning = new BeginningOfAnswer()
  readonly #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #retryAfterMs: number | undefined
  #bytes = 0
  #isComplete = false

  constructor(
    private readonly request: Post,
    private readonly limits: PostLimits,
    private readonly resolve: (outcome: Outcome) => void,
  ) {
    this.#timer = setTimeout(this.#late, limits.timeoutMs)
    const { signal } = request
    if (!signal) return
    // One signal ends many requests.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', this.#aborted)
    if (signal.aborted) this.#aborted()
  }

  /** A connection is ready, perhaps too late. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.isSettled) controller.abort(new Ended())
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // Informational responses (RFC 9110 §15.2) come before the answer.
    if (status < 200) return
    this.#status = status
    this.#retryAfterMs = retryAfterMsIn(headers['retry-after'])
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#beginning.add(chunk)
    this.#bytes += chunk.length
    if (this.#bytes > this.limits.answerBytes) this.#settle(this.#answer())
  }

  onResponseEnd(): void {
    this.#isComplete = true
    this.#settle(this.#answer())
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
    if (error instanceof ConnectionFault) this.#settle(this.#failure(error.kind, error.message))
    else if (CLOSED.has(code)) this.#settle({ kind: 'aborted' })
    else if (INVALID.has(code))
      this.#settle(this.#failure('bad-headers', `A header cannot be sent: ${error.message}.`))
    else if (code.startsWith('HPE_') || BAD.has(code)) {
      this.#settle(this.#failure('bad-answer', `The answer is not valid HTTP/1.1 (${code}).`))
    } else this.#settle(this.#failure('reset', `The connection ended before the answer did (${code}).`))
  }

  readonly #late = () =>
    this.#settle(
      this.#failure(
        'timeout',
        `${this.#status === 0 ? 'No answer' : 'Only a part of the answer'} arrived within ${this.limits.timeoutMs / 1_000} s.`,
      ),
    )

  readonly #aborted = () => this.#settle({ kind: 'aborted' })

  #answer(): Outcome {
    return {
      kind: 'answered',
      status: this.#status,
      milliseconds: this.#milliseconds(),
      answer: this.#beginning.text(),
      ...(this.#retryAfterMs !== undefined && { retryAfterMs: this.#retryAfterMs }),
    }
  }

  #failure(error: FailureKind, detail: string): Outcome {
    return { kind: 'failed', error, detail, milliseconds: this.#milliseconds() }
  }

  #milliseconds(): number {
    return Math.round(performance.now() - this.#started)
  }

  /** Closes the connection, unless the answer is complete. */
  #settle(outcome: Outcome): void {
    if (this.isSettled) return
    this.isSettled = true
    clearTimeout(this.#timer)
    this.request.signal?.removeEventListener('abort', this.#aborted)
    if (!this.#isComplete) {
      this.resolve(outcome)
      this.#controller?.abort(new Ended())
      return
    }
    // undici takes a connection into use again a turn after its answer (Client, `resume`). A caller that sends its next request before
    // that would open another connection.
    setImmediate(() => setImmediate(this.resolve, outcome))
  }
}

/** Headers or a URL that undici refuses to send. */
const INVALID: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
])
/** The sender was closed meanwhile. */
const CLOSED: ReadonlySet<string> = new Set(['UND_ERR_CLOSED', 'UND_ERR_DESTROYED'])
const BAD: ReadonlySet<string> = new Set([
  'HTTPParserError',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
])
