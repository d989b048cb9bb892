/** A client of one stream, which records what it gets: it is done when it has the last event, or the id of that. */
import type { RecordedClient } from '../checker/recorder.js'
import { type Follower, isStranger, recordedClient, type Wanted } from './follower.js'
import { nameOf } from './place.js'

export abstract class StreamFollower<Options extends Wanted> implements Follower {
  protected readonly record: RecordedClient
  /** Aborts when it was stopped. */
  protected readonly stopping = new AbortController()
  /** Of the last event or notice that had one. */
  protected lastId: string | undefined
  /** The id of the last event, once it is known. */
  #last: string | undefined
  #isDone = false

  constructor(
    readonly options: Options,
    form: string,
  ) {
    this.record = recordedClient(options, form)
  }

  get stream(): string {
    return nameOf(this.options)
  }

  get name(): string {
    return this.options.name
  }

  get isDone(): boolean {
    return this.#isDone
  }

  get place(): string {
    return `${this.lastId ?? 'nothing'} of ${this.stream}`
  }

  abstract follow(): Promise<void>

  settle(last: string): void {
    this.#last = last
    if (isStranger(this.options)) this.finish()
    else this.finishAtLast()
  }

  stop(): void {
    this.stopping.abort()
  }

  protected get isSettled(): boolean {
    return this.#last !== undefined
  }

  /** To be called when it has recorded what it got with its last id. */
  protected finishAtLast(): void {
    if (this.lastId !== undefined && this.lastId === this.#last) this.finish()
  }

  protected finish(): void {
    this.#isDone = true
    this.stop()
  }
}
