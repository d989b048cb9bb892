/** A runner as a program is: it claims, reports and ends jobs over HTTP, and now and then does what a runner must not do. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Recorder } from '../../checker/recorder.js'
import { now } from '../../checker/time.js'
import type { RecordedJob } from '../../checker/work-recorder.js'
import type { Random } from '../../end-to-end/random.js'
import { authorizationOf } from './credentials.js'
import { type Answer, ask, insist, RETRY_MS } from './request.js'

/** The shortest that there is. */
const LEASE_MS = 5_000
const WAIT_MS = 2_000
const STEPS = { least: 0, most: 4 } as const
const LINES = { least: 1, most: 5 } as const
const STEP_MS = { least: 0, most: 400 } as const
/** It crashes, hands the job back, or comes back when its lease is over. */
const CRASHES = 0.04
const HANDS_BACK = 0.08
const SLEEPS = 0.03
const ENDS = { complete: 'job.completed', fail: 'job.failed', abort: 'job.aborted' } as const

export interface JobRunnerOptions {
  /** Of the runner, and of its principal. */
  readonly name: string
  readonly workspace: string
  readonly kind: string
  readonly origin: string
  readonly recorder: Recorder
  readonly random: Random
}

interface Held {
  readonly id: string
  readonly attempt: number
  readonly record: RecordedJob
}

export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #stopping = new AbortController()
  readonly #authorization: (isRefused: boolean) => string

  constructor(options: JobRunnerOptions) {
    this.#options = options
    const { workspace, name: principal } = options
    this.#authorization = authorizationOf({ workspace, principal, role: 'runner' })
  }

  stop(): void {
    this.#stopping.abort()
  }

  /** Resolves when it was stopped. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      const held = await this.#claim()
      if (held) await this.#work(held)
      else await this.#pause(RETRY_MS)
    }
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #claim(): Promise<Held | undefined> {
    const { name: runner, kind, workspace, recorder } = this.#options
    const asked = now()
    const body = { runner, kinds: [kind], lease_ms: LEASE_MS, wait_ms: WAIT_MS }
    const answer = await this.#ask('claim', { body })
    if (answer?.status !== 200) return undefined
    const { id, attempt } = JSON.parse(answer.text).job
    const record = recorder.job(`${workspace}/job:${id}`)
    record.claimed(asked, runner, attempt)
    return { id, attempt, record }
  }

  async #work(held: Held): Promise<void> {
    const { random } = this.#options
    for (let step = random.between(STEPS.least, STEPS.most); step > 0; step -= 1) {
      if (random.chance(CRASHES)) return
      if (random.chance(SLEEPS)) await this.#pause(LEASE_MS + RETRY_MS)
      if (!(await this.#tell(held, step))) return
      await this.#pause(random.between(STEP_MS.least, STEP_MS.most))
      if (random.chance(0.3))
        await this.#ask(`${held.id}/heartbeat`, { body: { attempt: held.attempt, lease_ms: LEASE_MS } })
    }
    if (random.chance(HANDS_BACK)) await this.#insist(held, 'release')
    else await this.#end(held)
  }

  /** @returns whether it still has the job. The same report is sent again until it is answered; its time is that of the first. */
  async #tell(held: Held, step: number): Promise<boolean> {
    const { name, random } = this.#options
    const { id, attempt, record } = held
    const count = random.between(LINES.least, LINES.most)
    const body = Array.from({ length: count }, (_, n) => ({
      type: random.pick(['output', 'progress']),
      data: { line: `${n} of ${step} in ${attempt}`, stream: 'stdout' },
    }))
    const asked = now()
    const answer = await this.#insist(held, 'events', body, `${name}-${id}-${attempt}-${step}`)
    if (answer?.status !== 201) return false
    record.told(asked, name, attempt, count)
    return true
  }

  async #end(held: Held): Promise<void> {
    const { name, random } = this.#options
    const way = random.pick(['complete', 'complete', 'complete', 'fail', 'abort'] as const)
    const asked = now()
    const answer = await this.#insist(held, way, { result: { by: name } })
    if (answer?.status === 200) held.record.ended(asked, name, held.attempt, ENDS[way])
  }

  /** The same request again until it is answered. */
  async #insist(held: Held, what: string, body?: object, key?: string): Promise<Answer | undefined> {
    const headers = { 'x-job-attempt': `${held.attempt}`, ...(key && { 'idempotency-key': key }) }
    return await insist(() => this.#ask(`${held.id}/${what}`, { headers, body }), this.#stopping.signal)
  }

  async #ask(what: string, { headers = {}, body }: { headers?: Record<string, string>; body?: unknown }) {
    const authorization = this.#authorization(false)
    return await ask(`${this.#options.origin}/api/jobs/${what}`, {
      method: 'POST',
      headers: { authorization, ...headers },
      body,
    })
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }
}
