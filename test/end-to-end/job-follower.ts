/**
 * A client of one job that disconnects at random and reconnects with its last event id, until a 204 says that the stream has ended. It
 * records what it receives (checker/client-check.ts), and looks itself at what a dialect says beside the events.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { NOTICES } from '../checker/notices.js'
import { type Forms, WRITTEN } from '../checker/recorded-table.js'
import type { RecordedClient, Recorder } from '../checker/recorder.js'
import { readEvents, type Said } from '../followers/wire.js'
import { as } from '../harness/gateway.js'
import { PROJECT } from './command-jobs.js'
import type { Random } from './random.js'

const STAY_MS = { least: 50, most: 1_500 } as const
const AWAY_MS = { least: 0, most: 400 } as const
/** The notice after the last event, with the id of that event. */
const FAREWELL = 'stream.complete'
const TERMINAL = /^job\.(completed|failed)$/

interface Dialect {
  path(job: string): string
  /** The first message of each connection without a Last-Event-ID. */
  readonly opening?: string
  readonly farewell?: string
}

export const DIALECTS = {
  job: { path: job => `/api/jobs/${job}/events`, opening: 'snapshot' },
  'runner job': { path: job => `/runner-jobs/${job}/events/stream`, farewell: FAREWELL },
  'remote command': { path: job => `/projects/${PROJECT}/events?stream_id=${job}`, opening: 'connected' },
} satisfies Record<string, Dialect>

/** By dialect: what a client gets of an event of a job. */
export const JOB_FORMS: Forms = {
  job: WRITTEN['text/event-stream'],
  'runner job': WRITTEN['text/event-stream'],
  'remote command'(event) {
    const { id, type, data } = event
    if (type === 'output') return WRITTEN['text/event-stream'](event)
    if (!TERMINAL.test(type)) return undefined
    const { exit_code, duration_ms } = Object(JSON.parse(data).result)
    return `${id} complete ${JSON.stringify({ exit_code, duration_ms })}`
  },
}

export interface JobFollowerOptions {
  /** Of the client. */
  readonly name: string
  readonly recorder: Recorder
  readonly origin: string
  readonly job: string
  readonly dialect: keyof typeof DIALECTS
  readonly random: Random
}

/** The job as it was when the event at its head was the newest. */
export interface Snapshot {
  readonly job: { readonly status: string; readonly attempt: number }
  readonly head: string
}

export class JobFollower {
  /** Connections that brought an id, and got an event. */
  resumed = 0
  /** Whether it got the 204 that says that the stream has ended. */
  heardTheEnd = false
  readonly snapshots: Snapshot[] = []
  /** What a dialect has said at a wrong time, or not at all. */
  readonly faults: string[] = []
  readonly #dialect: Dialect
  readonly #record: RecordedClient
  #lastId: string | undefined
  #over = false
  #hasLeft = false
  #request: ClientRequest | undefined

  constructor(readonly options: JobFollowerOptions) {
    const { name, recorder, job, dialect } = options
    this.#dialect = DIALECTS[dialect]
    this.#record = recorder.client({
      client: name,
      stream: `acme/job:${job}`,
      form: dialect,
      from: 'beginning',
    })
  }

  /** Resolves when it got the 204 or was stopped. */
  async follow(): Promise<void> {
    const { random } = this.options
    while (!this.#over) {
      await this.#connect()
      if (!this.#over) await pause(random.between(AWAY_MS.least, AWAY_MS.most))
    }
  }

  stop(): void {
    this.#over = true
    this.#leave()
  }

  #leave(): void {
    this.#hasLeft = true
    this.#request?.destroy()
  }

  async #connect(): Promise<void> {
    const { origin, job, random } = this.options
    const id = this.#lastId
    const headers = {
      ...as('viewer'),
      accept: 'text/event-stream',
      ...(id !== undefined && { 'last-event-id': id }),
    }
    const sent = request(origin + this.#dialect.path(job), { headers, agent: false })
    this.#request = sent
    this.#hasLeft = false
    this.#record.open(id)
    const leaving = setTimeout(() => this.#leave(), random.between(STAY_MS.least, STAY_MS.most))
    let isWhole = false
    await new Promise<void>(resolve => {
      sent.on('error', () => {})
      sent.on('close', resolve)
      sent.on('response', response => {
        this.#read(response, id !== undefined)
        response.on('end', () => {
          isWhole = response.complete
        })
      })
      sent.end()
    })
    clearTimeout(leaving)
    this.#record.close(isWhole ? 'server' : this.#hasLeft ? 'client' : 'broken')
  }

  #read(response: IncomingMessage, isResumed: boolean): void {
    response.on('error', () => {})
    this.#record.status(response.statusCode ?? 0)
    if (response.statusCode !== 200) {
      this.heardTheEnd = response.statusCode === 204
      if (this.heardTheEnd) this.#over = true
      response.resume()
      return
    }
    const { farewell } = this.#dialect
    /** What has to be said before the first event. */
    let opening = isResumed ? undefined : this.#dialect.opening
    let events = 0
    let last = ''
    const take = ({ type, id, data, text }: Said) => {
      const isEvent = id !== undefined && type !== '' && type !== FAREWELL && !NOTICES.has(type)
      if (!NOTICES.has(type) || type === this.#dialect.opening) last = type
      if (isEvent) {
        if (opening) this.faults.push(`${type} came before ${opening}`)
        if (isResumed && events === 0) this.resumed += 1
        events += 1
        this.#record.frame(id, type, text)
      } else if (type === this.#dialect.opening) {
        if (type !== opening) this.faults.push(`${type} came again`)
        opening = undefined
        if (type === 'snapshot') this.snapshots.push(JSON.parse(data))
      } else if (id !== undefined) this.#record.notice(type === '' ? 'cursor' : type, id)
      else if (!NOTICES.has(type)) this.faults.push(`${type} is unknown`)
      this.#lastId = id ?? this.#lastId
    }
    const read = readEvents({ lastId: this.#lastId, take, onRetry: () => undefined })
    response.setEncoding('utf8')
    response.on('data', read)
    response.on('end', () => {
      // What the server ends too early is a finding of the checker.
      if (response.complete && farewell !== undefined && last !== farewell)
        this.faults.push(`it ended with ${last}, without ${farewell}`)
    })
  }
}
