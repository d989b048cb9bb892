/**
 * `sluice-client/ai`, for the server of an application: writes the answers of models to streams, cancels them, and lets those under way
 * be continued after a restart.
 */
import type { ClientOptions } from '../client-options.js'
import { Gateway } from '../requests.js'
import { type CancelOptions, cancel } from './cancellation.js'
import { type PipeOptions, type PipeResult, type Piping, type Source, startPipe } from './pipe.js'

export type { BatchLimits } from './batches.js'
export { type CancelOptions, cancel } from './cancellation.js'
export type { StreamOptions } from './durable-stream.js'
export {
  type PipeOptions,
  type PipeResult,
  type Piping,
  pipe,
  type Source,
  type SourceStart,
  startPipe,
} from './pipe.js'

/** The options that all answers of an application share. */
export type AnswersOptions = ClientOptions & Omit<PipeOptions, 'stream' | 'signal' | 'leave'>

/** @returns the answers of an application: one for each process. */
export function createAnswers(options: AnswersOptions): Answers {
  return new Answers(options)
}

export class Answers {
  readonly gateway: Gateway
  readonly #leaving = new AbortController()
  readonly #underWay = new Set<Promise<PipeResult>>()

  constructor(readonly options: AnswersOptions) {
    this.gateway = new Gateway(options)
  }

  /**
   * Starts to write an answer. @returns when its stream exists: answer the browser with the name, and it follows the stream.
   * @throws RefusedError or GaveUpError if the stream cannot be created.
   */
  async start(source: Source, options: PipeOptions): Promise<Piping> {
    const leave = this.#leaving.signal
    const piping = await startPipe(this.gateway, source, { ...this.options, leave, ...options })
    this.#underWay.add(piping.done)
    const end = () => this.#underWay.delete(piping.done)
    piping.done.then(end, end)
    return piping
  }

  /** Cancels an answer, in whichever process it is written. @returns whether it was under way. */
  async cancel(stream: string, options: CancelOptions = {}): Promise<boolean> {
    return await cancel(this.gateway, stream, options)
  }

  /**
   * For the end of the process: stores what the sources have given, and leaves the streams open, so that another process can continue
   * them with `resume`. @returns the results of those that were under way and could be stored.
   */
  async leave(): Promise<readonly PipeResult[]> {
    this.#leaving.abort()
    const settled = await Promise.allSettled(this.#underWay)
    return settled.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  }
}
