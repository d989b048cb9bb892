/**
 * A client that connects, disconnects at random and reconnects with its last event id, and records everything that it
 * receives. It parses the wire by the specifications, without a library and without the gateway's code.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { RecordedClient, Recorder } from '../checker/recorder.js'
import type { Random } from './random.js'

/** The event that ends a wanderer's journey. */
export const END = 'check.end'

/** What is said besides the events of the log. */
const NOTICES = new Set(['server.state', 'heartbeat', 'unavailable', 'reset', 'error'])
const STAY_MS = { least: 50, most: 2_500 } as const
const AWAY_MS = { least: 0, most: 400 } as const
const READ_PAUSE_MS = { least: 1, most: 60 } as const

export interface WandererOptions {
  readonly name: string
  readonly recorder: Recorder
  /** Of the gateway, for each connection anew. */
  readonly origin: () => string
  readonly workspace: string
  readonly stream: string
  readonly authorization: string
  readonly form: 'text/event-stream' | 'application/x-ndjson'
  readonly types: readonly string[] | undefined
  readonly from: 'beginning' | 'now'
  /** Reads a little, then nothing for a while, all the time. */
  readonly slow: boolean
  readonly random: Random
}

export class Wanderer {
  connections = 0
  refusals = 0
  #lastId: string | undefined
  #ended = false
  #settled = false
  #request: ClientRequest | undefined

  readonly #record: RecordedClient
  #left = false

  constructor(readonly options: WandererOptions) {
    const { name, recorder, workspace, stream, form, types, from } = options
    const wanted = { form, from, ...(types && { types: [...types] }) }
    this.#record = recorder.client({ client: name, stream: `${workspace}/${stream}`, ...wanted })
  }

  /** Resolves when it has received END, or was stopped. */
  async wander(): Promise<void> {
    const { random } = this.options
    while (!this.#ended) {
      await this.#connect()
      if (!this.#ended) await pause(random.between(AWAY_MS.least, AWAY_MS.most))
    }
  }

  /** From now on it stays where it is. */
  settle(): void {
    this.#settled = true
  }

  stop(): void {
    this.#ended = true
    this.#leave()
  }

  /** Resolves when the connection has ended, by either side. */
  async #connect(): Promise<void> {
    const { random } = this.options
    const { url, headers } = this.#target()
    const sent = request(url, { headers, agent: false })
    this.#request = sent
    this.connections += 1
    this.#left = false
    this.#record.open(this.#lastId)
    const stay = random.between(STAY_MS.least, STAY_MS.most)
    const leaving = setTimeout(() => this.#settled || this.#leave(), stay)
    let isBroken = false
    await new Promise<void>(resolve => {
      sent.on('error', () => {
        isBroken = true
      })
      sent.on('close', resolve)
      sent.on('response', response => this.#read(response))
      sent.end()
    })
    clearTimeout(leaving)
    this.#record.close(this.#left ? 'client' : isBroken ? 'broken' : 'server')
  }

  #leave(): void {
    this.#left = true
    this.#request?.destroy()
  }

  /** It comes back in one of two ways: as an EventSource does, to the same URL with a header, or by a new URL. */
  #target(): { url: string; headers: Record<string, string> } {
    const { origin, stream, types, from, form, authorization, random } = this.options
    const query = new URLSearchParams({ stream, ...(types && { types: types.join(',') }) })
    const headers: Record<string, string> = { accept: form, authorization }
    if (this.#lastId !== undefined && random.chance(0.3)) query.set('last_event_id', this.#lastId)
    else query.set('from', from)
    if (this.#lastId !== undefined && query.has('from')) headers['last-event-id'] = this.#lastId
    return { url: `${origin()}/api/events?${query}`, headers }
  }

  #read(response: IncomingMessage): void {
    const { form, slow, random } = this.options
    response.on('error', () => {})
    this.#record.status(response.statusCode ?? 0)
    if (response.statusCode !== 200) {
      this.refusals += 1
      response.resume()
      return
    }
    const take = form === 'text/event-stream' ? this.#events() : this.#lines()
    response.setEncoding('utf8')
    response.on('data', (text: string) => {
      take(text)
      if (!slow) return
      response.pause()
      setTimeout(() => response.resume(), random.between(READ_PAUSE_MS.least, READ_PAUSE_MS.most))
    })
  }

  /** WHATWG HTML §9.2.6, but that our streams have no comments and no byte order mark. */
  #events(): (text: string) => void {
    let id = this.#lastId
    let own: string | undefined
    let type = ''
    let data: string[] = []
    return this.#split(line => {
      const [, field, value = ''] = /^([a-z]+): ?(.*)$/s.exec(line) ?? []
      if (field === 'id') {
        id = value
        own = value
      } else if (field === 'event') type = value
      else if (field === 'data') data.push(value)
      else if (line === '') {
        if (id !== undefined) this.#lastId = id
        // A block without data is none to an EventSource, but its id counts.
        if (data.length === 0 && own !== undefined) this.#record.notice('cursor', own)
        else if (data.length > 0) this.#take(type, own, data.join('\n'), `${id} ${type} ${data.join('\n')}`)
        own = undefined
        type = ''
        data = []
      }
    })
  }

  #lines(): (text: string) => void {
    return this.#split(line => {
      const { id, type, data } = JSON.parse(line) as { id?: string; type: string; data?: object }
      if (id !== undefined) this.#lastId = id
      this.#take(type, id, JSON.stringify(data), line)
    })
  }

  #split(each: (line: string) => void): (text: string) => void {
    let rest = ''
    return text => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (!this.#ended) each(line)
    }
  }

  /** @param text all of an event, as the checker compares it. */
  #take(type: string, id: string | undefined, data: string, text: string): void {
    if (type === 'unavailable') this.refusals += 1
    if (NOTICES.has(type)) {
      this.#record.notice(type, id, (JSON.parse(data) as { reason?: string }).reason)
      return
    }
    this.#record.frame(id ?? '', type, text)
    if (type === END) this.stop()
  }
}
