/**
 * A client of one job that disconnects at random and reconnects with its last event id, until a 204 says that the stream
 * has ended. It keeps everything that it received, and reports how that differs from the log.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { as } from '../harness/gateway.js'
import { type JobEvent, PROJECT } from './command-jobs.js'
import type { Random } from './random.js'

const STAY_MS = { least: 50, most: 1_500 } as const
const AWAY_MS = { least: 0, most: 400 } as const
/** Said besides the events of the job, by any dialect. */
const NOTICES = new Set(['server.state', 'heartbeat'])
/** The notice after the last event, with the id of that event. */
const FAREWELL = 'stream.complete'
const TERMINAL = /^job\.(completed|failed)$/

/** An event as a client of a dialect sees it, undefined when it does not. */
type Shown = Pick<JobEvent, 'id' | 'type' | 'data'>
interface Form {
  path(job: string): string
  /** The first message of each connection without a Last-Event-ID. */
  readonly opening?: string
  readonly farewell?: string
  shown(event: JobEvent): Shown | undefined
}

export const FORMS = {
  job: {
    path: job => `/api/jobs/${job}/events`,
    opening: 'snapshot',
    shown: event => event,
  },
  'runner job': {
    path: job => `/runner-jobs/${job}/events/stream`,
    farewell: FAREWELL,
    shown: event => event,
  },
  'remote command': {
    path: job => `/projects/${PROJECT}/events?stream_id=${job}`,
    opening: 'connected',
    shown({ id, type, data }) {
      if (type === 'output') return { id, type, data }
      if (!TERMINAL.test(type)) return undefined
      const { exit_code, duration_ms } = JSON.parse(data).result
      return { id, type: 'complete', data: JSON.stringify({ exit_code, duration_ms }) }
    },
  },
} satisfies Record<string, Form>

export interface JobFollowerOptions {
  readonly origin: string
  readonly job: string
  readonly form: keyof typeof FORMS
  readonly random: Random
}

interface Connection {
  readonly resumed: boolean
  readonly messages: EventSourceMessage[]
  /** Whether the server ended it, and as a response should end. */
  endedCleanly: boolean
  /** Whether this client left, or the gateway was killed, before its end. */
  cut: boolean
}

export class JobFollower {
  readonly connections: Connection[] = []
  /** Whether it got the 204 that says that the stream has ended. */
  heardTheEnd = false
  readonly #form: Form
  #lastId: string | undefined
  #over = false
  #cutsExpected = false
  #request: ClientRequest | undefined

  constructor(readonly options: JobFollowerOptions) {
    this.#form = FORMS[options.form]
  }

  /** Resolves when it got the 204 or was stopped. */
  async follow(): Promise<void> {
    const { random } = this.options
    while (!this.#over) {
      await this.#connect()
      if (!this.#over) await pause(random.between(AWAY_MS.least, AWAY_MS.most))
    }
  }

  /** Whether from now on others may cut its connections. */
  expectCuts(expected: boolean): void {
    this.#cutsExpected = expected
    const connection = this.connections.at(-1)
    if (expected && connection && !connection.endedCleanly) connection.cut = true
  }

  stop(): void {
    this.#over = true
    this.#request?.destroy()
  }

  /** The first thing that is not as it should be: what it received, how it was said, and how the connections ended. */
  differenceFrom(log: readonly JobEvent[]): string | undefined {
    const due = log.flatMap(event => this.#form.shown(event) ?? [])
    const received = this.connections.flatMap(({ messages }) => messages.filter(isEvent))
    const place = due.findIndex((event, n) => written(event) !== written(received[n]))
    if (place >= 0 || received.length !== due.length) {
      const at = place < 0 ? due.length : place
      return `place ${at} of ${due.length} (${received.length} came): ${written(due[at])} was due, ${written(received[at])} came`
    }
    const faults = this.connections.map(connection => this.#faultIn(connection, due.at(-1)?.id))
    return faults.find(fault => fault !== undefined) ?? this.#snapshotFault(log)
  }

  /** One that was cut may have said less, but nothing else. */
  #faultIn(
    { resumed, messages, endedCleanly, cut }: Connection,
    lastId: string | undefined,
  ): string | undefined {
    const { opening, farewell } = this.#form
    const atEnd = messages.some(({ id }) => id === lastId)
    const said = messages.map(message => (isEvent(message) ? 'event' : message.event))
    const wanted = [
      ...(opening && !resumed ? [opening] : []),
      ...said.filter(name => name === 'event'),
      ...(farewell && atEnd ? [farewell] : []),
    ]
    if (said.some((name, n) => name !== wanted[n]))
      return `it began with ${said.slice(0, 3)}, ended with ${said.slice(-3)}`
    if (cut) return undefined
    if (said.length < wanted.length) return `${wanted.at(said.length)} is missing`
    return endedCleanly === atEnd
      ? undefined
      : atEnd
        ? 'the end of its response was cut'
        : 'it ended too early'
  }

  /** Whether a snapshot holds the job as it was when the event at its head was the newest. */
  #snapshotFault(log: readonly JobEvent[]): string | undefined {
    for (const { data } of this.connections.flatMap(({ messages }) => messages)) {
      if (!data.startsWith('{"job":')) continue
      const { job, head } = JSON.parse(data)
      const until = log.findIndex(({ id }) => id === head)
      const changes = log.slice(0, until + 1).filter(({ type }) => type.startsWith('job.'))
      const status = changes
        .at(-1)
        ?.type.slice(4)
        .replace(/created|requeued/, 'queued')
        .replace('started', 'running')
      const attempt = changes.filter(({ type }) => type === 'job.started').length
      if (job.status !== status || job.attempt !== attempt) {
        return `the snapshot at ${head} says ${job.status}, attempt ${job.attempt}; the log ${status}, attempt ${attempt}`
      }
    }
    return undefined
  }

  async #connect(): Promise<void> {
    const { origin, job, random } = this.options
    const resumed = this.#lastId !== undefined
    const sent = request(origin + this.#form.path(job), {
      headers: {
        ...as('viewer'),
        accept: 'text/event-stream',
        ...(resumed && { 'last-event-id': this.#lastId }),
      },
      agent: false,
    })
    this.#request = sent
    let connection: Connection | undefined
    const leaving = setTimeout(
      () => {
        if (connection) connection.cut = true
        sent.destroy()
      },
      random.between(STAY_MS.least, STAY_MS.most),
    )
    await new Promise<void>(resolve => {
      sent.on('error', () => {})
      sent.on('close', resolve)
      sent.on('response', response => {
        connection = this.#read(response, resumed)
      })
      sent.end()
    })
    clearTimeout(leaving)
  }

  #read(response: IncomingMessage, resumed: boolean): Connection | undefined {
    response.on('error', () => {})
    if (response.statusCode !== 200) {
      this.heardTheEnd = response.statusCode === 204
      if (this.heardTheEnd) this.#over = true
      response.resume()
      return undefined
    }
    const connection: Connection = { resumed, messages: [], endedCleanly: false, cut: this.#cutsExpected }
    this.connections.push(connection)
    const parser = createParser({
      onEvent: message => {
        if (NOTICES.has(message.event ?? '')) return
        connection.messages.push(message)
        this.#lastId = message.id ?? this.#lastId
      },
    })
    response.setEncoding('utf8')
    response.on('data', (text: string) => parser.feed(text))
    response.on('end', () => {
      connection.endedCleanly = response.complete
    })
    return connection
  }
}

function isEvent(message: EventSourceMessage | undefined): boolean {
  return message?.id !== undefined && message.event !== FAREWELL
}

function written(event: Shown | EventSourceMessage | undefined): string {
  if (event === undefined) return 'nothing'
  return `${event.id} ${'type' in event ? event.type : event.event} ${event.data}`.slice(0, 240)
}
