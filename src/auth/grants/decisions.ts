/**
 * The decisions of `authorize`, cached. Each question (principal, action, stream) is asked once at a time, however many callers wait for
 * the answer, and its answer holds as long as it says.
 *
 * Invariant: without an answer nothing new is allowed. An open stream lives on its last answer, which is asked for again before it ends;
 * while nobody answers, the stream lives for two minutes more.
 *
 * Bounded: the number of answers, of questions at a time (a few of them reserved for other workspaces), of waiting callers, and the
 * time that a caller waits and that an answer may take.
 */
import { LRUCache } from 'lru-cache'
import { FairGate } from '../../database/fair-gate.js'
import { NamePatterns } from '../../log/name-patterns.js'
import type { Logger } from '../../logging/logger.js'
import { withinDeadline } from '../../process/deadline.js'
import { PeriodicLoop } from '../../process/periodic-loop.js'
import { steadyClock } from '../../process/steady-clock.js'
import type { Principal } from '../principal.js'
import {
  type Authorize,
  authorizationUnavailable,
  type Decision,
  decisionIn,
  type StreamAction,
} from './decision.js'

const REMEMBERED = 50_000
const MAX_AT_A_TIME = 32
const MAX_WAITING = 20_000
const PATIENCE_MS = 5_000
/** An answer that takes longer counts as none: the function of an application may never give one, and its place would stay taken. */
const ANSWER_MS = 5_000
/** How long an open stream lives on an answer that has ended, while nobody answers. */
const STALE_MS = 120_000
/** An answer for an open stream is asked for again when this part of its time is over, at random up to all of it. */
const RENEW_FROM = 0.7
const LOOK_MS = 500

export interface DecisionsOptions {
  readonly authorize: Authorize
  readonly logger: Logger
  /** Milliseconds of a clock that never goes back. Default: steadyClock. */
  readonly now?: () => number
  /** Default 5 s; tests use less. */
  readonly answerMs?: number
  /** The number of answers that are remembered beside those about open streams. */
  readonly remembered?: number
}

/** A question with its last answer. A job never changes its project, which is undefined if it has none. */
class Question {
  types = NamePatterns.NONE
  validUntil = Number.NEGATIVE_INFINITY
  renewAt = Number.NEGATIVE_INFINITY
  /** Called when the answer changes, or has ended for good. */
  readonly watchers = new Set<() => void>()
  asking: Promise<void> | undefined

  constructor(
    readonly key: string,
    readonly principal: Pick<Principal, 'id' | 'workspace' | 'role'>,
    readonly action: StreamAction,
    readonly stream: string,
    readonly project: string | undefined,
  ) {}

  answered({ types, validForMs }: Decision, now: number): void {
    const changed = types.key !== this.types.key
    this.types = types
    this.validUntil = now + validForMs
    this.renewAt = now + validForMs * (RENEW_FROM + (1 - RENEW_FROM) * Math.random())
    if (changed) for (const changedFor of [...this.watchers]) changedFor()
  }
}

/** The answer to one question, for a caller to which it was given. */
export interface Answered {
  /** The types as they are now; none without an answer that holds. */
  readonly types: NamePatterns
  /** Keeps the answer fresh. @returns a function that stops it. @param changed called after each change. */
  watch(changed: () => void): () => void
}

export class Decisions {
  readonly #options: DecisionsOptions
  readonly #now: () => number
  readonly #questions: LRUCache<string, Question>
  /** The latest question about open streams of each key, which the cache may have evicted. */
  readonly #latest = new Map<string, Question>()
  /** All questions about open streams. Two have the same key if the cache evicted the first before its stream was open. */
  readonly #watched = new Set<Question>()
  readonly #gate = new FairGate(MAX_AT_A_TIME, PATIENCE_MS)
  readonly #looks: PeriodicLoop
  #waiting = 0
  #failing = false

  constructor(options: DecisionsOptions) {
    this.#options = options
    this.#now = options.now ?? steadyClock()
    this.#questions = new LRUCache({ max: options.remembered ?? REMEMBERED })
    this.#looks = new PeriodicLoop({
      name: 'Renewing decisions about open streams',
      everyMs: LOOK_MS,
      logger: options.logger,
      turn: () => this.#look(),
    }).start()
  }

  /** @throws {Problem} 503 `authorization-unavailable` without an answer that holds now. */
  async decide(
    principal: Principal,
    action: StreamAction,
    stream: string,
    project?: string,
  ): Promise<Answered> {
    const question = this.#question(principal, action, stream, project)
    if (question.validUntil <= this.#now()) await this.#ask(question)
    const isStale = () => this.#now() >= question.validUntil + STALE_MS
    return {
      get types() {
        return isStale() ? NamePatterns.NONE : question.types
      },
      watch: changed => this.#watch(question, changed),
    }
  }

  close(): void {
    this.#looks.stop()
  }

  #question(
    { id, workspace, role }: Principal,
    action: StreamAction,
    stream: string,
    project: string | undefined,
  ): Question {
    const key = JSON.stringify([workspace, id, role, action, stream, project])
    const known = this.#latest.get(key) ?? this.#questions.get(key)
    const question = known ?? new Question(key, { id, workspace, role }, action, stream, project)
    this.#questions.set(key, question)
    return question
  }

  #watch(question: Question, changed: () => void): () => void {
    // A function of its own for each, because two streams may pass the same one.
    const watcher = () => changed()
    question.watchers.add(watcher)
    this.#latest.set(question.key, question)
    this.#watched.add(question)
    return () => {
      question.watchers.delete(watcher)
      if (question.watchers.size > 0) return
      this.#watched.delete(question)
      if (this.#latest.get(question.key) === question) this.#latest.delete(question.key)
    }
  }

  #ask(question: Question): Promise<void> {
    question.asking ??= this.#answer(question).finally(() => {
      question.asking = undefined
    })
    return question.asking
  }

  async #answer(question: Question): Promise<void> {
    if (this.#waiting >= MAX_WAITING) throw authorizationUnavailable()
    const { principal, action, stream, project } = question
    const { answerMs = ANSWER_MS } = this.#options
    this.#waiting += 1
    try {
      await this.#gate.run(principal.workspace, async () => {
        const asked = this.#options.authorize(principal, action, stream, project)
        const answer = await withinDeadline(Promise.resolve(asked), answerMs)
        if (answer === undefined) throw new Error(`It has not answered within ${answerMs / 1_000} s.`)
        question.answered(decisionIn(answer), this.#now())
      })
      this.#report(undefined)
    } catch (error) {
      this.#report(error)
      throw authorizationUnavailable(error)
    } finally {
      this.#waiting -= 1
    }
  }

  /** Once when it begins to fail, and once when it answers again. */
  #report(err: unknown): void {
    const failing = err !== undefined
    if (failing === this.#failing) return
    this.#failing = failing
    if (failing) this.#options.logger.error({ err }, FAILS)
    else this.#options.logger.info({}, 'The service that decides about access answers again.')
  }

  #look(): void {
    const now = this.#now()
    for (const question of this.#watched) {
      if (now >= question.renewAt && !question.asking) this.#renew(question, now)
      if (now >= question.validUntil + STALE_MS) for (const ended of [...question.watchers]) ended()
    }
  }

  #renew(question: Question, now: number): void {
    this.#ask(question).catch(() => {
      question.renewAt = now + 2_000 * (1 + Math.random())
    })
  }
}

const FAILS =
  'The service that decides about access gives no answer: nothing new is allowed, and open streams end within two minutes. Check ' +
  'AUTHORIZE_URL, or `authorize`.'
