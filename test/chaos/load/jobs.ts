/**
 * Jobs of a workspace: submitted until they are stored, and done by runners that crash, hand back, report the same again and come late.
 * Programs follow each of them to its end.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from '../../../src/database/pool.js'
import type { Recorder } from '../../checker/recorder.js'
import { now } from '../../checker/time.js'
import type { Random } from '../../end-to-end/random.js'
import type { Follower } from '../../followers/follower.js'
import { patient } from '../../harness/patience.js'
import { authorizationOf } from './credentials.js'
import { JobRunner } from './job-runner.js'
import { ask, insist } from './request.js'
import { FEEDS } from './streams.js'

/** The streams of jobs are in the workspace of this feed, which has their states too. */
const [{ workspace: WORKSPACE }] = FEEDS
const KIND = 'check'
const RUNNERS = 4
/** The most that there are: a job is not interrupted because its runners were. */
const ATTEMPTS = 10
const CANCELLED = 0.05
const CANCELLED_AFTER_MS = { least: 0, most: 4_000 } as const
const LOOK_MS = 500
/** When all is healed, each job must end within this time: a lease of 5 s, some times. */
const ENDED_MS = 90_000

export interface JobsOptions {
  readonly origin: string
  readonly pool: Database
  readonly recorder: Recorder
  readonly random: Random
  readonly perSecond: number
  /** Makes the programs that follow a new job. */
  readonly follow: (workspace: string, stream: string) => readonly Follower[]
}

export class Jobs {
  readonly #options: JobsOptions
  readonly #stopping = new AbortController()
  readonly #runners: JobRunner[]
  readonly #authorization = authorizationOf({ workspace: WORKSPACE, principal: 'foreman', role: 'editor' })
  readonly #submitted: string[] = []
  #work: Promise<unknown> = Promise.resolve()
  #submitting: Promise<unknown> = Promise.resolve()

  constructor(options: JobsOptions) {
    const { origin, recorder, random } = options
    this.#options = options
    this.#runners = Array.from(
      { length: RUNNERS },
      (_, n) =>
        new JobRunner({
          name: `worker-${n}`,
          workspace: WORKSPACE,
          kind: KIND,
          origin,
          recorder,
          random: random.fork(),
        }),
    )
  }

  start(): void {
    this.#submitting = this.#submitAll()
    this.#work = Promise.all(this.#runners.map(runner => runner.run()))
  }

  /**
   * Submits nothing more; a job that a lost tail has taken is submitted again, as its program would.
   * Resolves when all have ended.
   * @throws {Error} when they have not in time.
   */
  async end(): Promise<void> {
    this.#stopping.abort()
    await this.#submitting
    for (const id of await this.#missing()) await this.#submit(id)
    const late = performance.now() + patient(ENDED_MS)
    for (let open = await this.#open(); open.length > 0; open = await this.#open()) {
      if (performance.now() > late)
        throw new Error(`These jobs have not ended: ${open.slice(0, 5).join(', ')}`)
      await pause(LOOK_MS)
    }
    for (const runner of this.#runners) runner.stop()
    await this.#work
  }

  async #submitAll(): Promise<void> {
    const { random, perSecond, follow } = this.#options
    const { signal } = this.#stopping
    for (let n = 1; !signal.aborted; n += 1) {
      const id = `check-${n}`
      await this.#submit(id)
      for (const follower of follow(WORKSPACE, `job:${id}`)) void follower.follow()
      if (random.chance(CANCELLED)) void this.#cancel(id)
      await pause(random.between(0, 2_000 / perSecond), undefined, { signal }).catch(() => undefined)
    }
  }

  /** One that was stored already was stored by an earlier request of it. */
  async #submit(id: string): Promise<void> {
    const { origin, recorder, random } = this.#options
    const body = { id, kind: KIND, payload: { id }, priority: random.between(0, 9), max_attempts: ATTEMPTS }
    const asked = now()
    const answer = await insist(() => ask(`${origin}/api/jobs`, { headers: this.#headers(), body }))
    if (answer?.status !== 201 && answer?.status !== 409)
      throw new Error(`The job ${id} was answered with ${answer?.status}: ${answer?.text}`)
    recorder.job(`${WORKSPACE}/job:${id}`).submitted(asked)
    if (!this.#submitted.includes(id)) this.#submitted.push(id)
  }

  async #cancel(id: string): Promise<void> {
    const { origin, random } = this.#options
    await pause(random.between(CANCELLED_AFTER_MS.least, CANCELLED_AFTER_MS.most))
    await ask(`${origin}/api/jobs/${id}/cancel`, { method: 'POST', headers: this.#headers() })
  }

  async #missing(): Promise<readonly string[]> {
    const stored = new Set(await this.#ids('true'))
    return this.#submitted.filter(id => !stored.has(id))
  }

  #open(): Promise<readonly string[]> {
    return this.#ids('ended_at is null')
  }

  async #ids(condition: string): Promise<readonly string[]> {
    const { pool } = this.#options
    const { rows } = await pool.query<{ name: string }>(
      `select name from sluice.jobs where workspace = $1 and kind = $2 and ${condition}`,
      [WORKSPACE, KIND],
    )
    return rows.map(({ name }) => name)
  }

  #headers() {
    return { authorization: this.#authorization(false) }
  }
}
