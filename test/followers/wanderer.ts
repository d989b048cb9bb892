/**
 * A client that connects, disconnects at random and reconnects with its last event id, and records everything that it
 * receives. It reads and leaves in the ways of real clients, and gives a silent connection up.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { NOTICES } from '../checker/notices.js'
import { WHERE } from './forms.js'
import { type ResponseReader, readResponse } from './manner.js'
import { END } from './place.js'
import { StreamFollower } from './stream-follower.js'
import type { WandererOptions } from './wanderer-options.js'
import { READERS, type Said } from './wire.js'

/** When the server has not said how long to wait, after a refusal and a broken connection. */
const RETRY_MS = 2_000
const MOST_MS = 2 ** 31 - 1
/** What a client may bring that never was an id of the log: texts, and a position that no stream reaches. */
const FORGED = ['no event id', '999999999', '0x10.aaaaaa', '1.', '-7', '12.k7f3qa.1']
/** For so long an abandoned connection stays open, unread. */
const ABANDONED_MS = { least: 10_000, most: 60_000 } as const

/** What has ended a connection; `closed`: the client has everything of a stream that has ended. */
type End = 'client' | 'server' | 'broken' | 'closed'

export class Wanderer extends StreamFollower<WandererOptions> {
  #isRefused = false
  /** An id that it has made up: its next connection brings it. */
  #forged: string | undefined
  /** Ends the wait of a client that has everything of a closed stream. */
  readonly #waking = new AbortController()
  #request: ClientRequest | undefined
  #reader: ResponseReader | undefined
  #leaving: NodeJS.Timeout | undefined
  /** Ends the wait for the current connection. */
  #over: (by: End) => void = () => {}
  #silence: NodeJS.Timeout | undefined
  #retryMs = RETRY_MS
  readonly #abandoned = new Set<ClientRequest>()

  constructor(options: WandererOptions) {
    super(options, options.form)
  }

  async follow(): Promise<void> {
    const { random, away, obeys } = this.options
    while (!this.stopping.signal.aborted) {
      const by = await this.#connect()
      const waits = obeys && by !== 'client'
      const ms = waits ? this.#retryMs : random.between(away.least, away.most)
      if (by === 'closed' && !this.isSettled) await this.#wait(MOST_MS, this.#waking.signal)
      else if (by === 'closed') this.finish()
      else if (!this.stopping.signal.aborted) await this.#wait(ms, this.stopping.signal)
    }
  }

  override settle(last: string): void {
    clearTimeout(this.#leaving)
    this.#reader?.hurry()
    this.#waking.abort()
    super.settle(last)
  }

  /** Leaves, and comes back with an id that it has made up. */
  forge(): void {
    const { random } = this.options
    const [position] = (this.lastId ?? '1').split('.')
    this.#forged = random.pick([...FORGED, `${position}.sluice`])
    this.#end('client')
  }

  override stop(): void {
    super.stop()
    this.#waking.abort()
    for (const each of this.#abandoned) each.destroy()
    this.#end('client')
  }

  /** Resolves when the connection has ended, with the side that has ended it. */
  async #connect(): Promise<End> {
    const { random, stay, manner, tally } = this.options
    const brought = this.#forged ?? this.lastId
    this.#forged = undefined
    const { url, headers } = this.#target(brought)
    const sent = request(url, { headers, agent: false })
    this.#request = sent
    this.#retryMs = RETRY_MS
    tally.connections += 1
    this.record.open(brought)
    const ended = new Promise<End>(resolve => {
      this.#over = resolve
    })
    let isBroken = false
    sent.on('error', () => {
      isBroken = true
    })
    // A connection closes before a slow reader has read the response, and an error of a response is none of its request.
    let response: IncomingMessage | undefined
    const over = () => {
      if (this.#request === sent) this.#over(isBroken || response?.complete === false ? 'broken' : 'server')
    }
    sent.on('close', () => {
      if (!response) over()
    })
    sent.on('response', begun => {
      response = begun.on('close', over)
      if (this.#request === sent) this.#read(begun)
    })
    sent.end()
    this.#pulse(false)
    // One that reads a byte a second stays.
    if (!this.isSettled && manner !== 'trickle')
      this.#leaving = setTimeout(() => this.#leave(), random.between(stay.least, stay.most))
    const by = await ended
    clearTimeout(this.#leaving)
    this.#pulse(true)
    this.#reader?.stop()
    this.#reader = undefined
    this.#request = undefined
    this.record.close(by === 'closed' ? 'server' : by)
    return by
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await pause(ms, undefined, { signal }).catch(() => undefined)
  }

  /** With FIN, by a reset, or without a word: the connection stays, and nobody reads from it. */
  #leave(): void {
    const { random } = this.options
    const sent = this.#request
    const way = this.options.isRude ? random.between(1, 10) : 0
    if (sent?.socket && way === 1) sent.socket.resetAndDestroy()
    else if (sent?.socket && way === 2 && this.#reader) {
      this.#abandoned.add(sent)
      const forget = setTimeout(() => sent.destroy(), random.between(ABANDONED_MS.least, ABANDONED_MS.most))
      sent.on('close', () => {
        clearTimeout(forget)
        this.#abandoned.delete(sent)
      })
      this.#reader.stop()
      this.#request = undefined
      this.#over('client')
      return
    }
    this.#end('client')
  }

  #end(by: 'client' | 'broken'): void {
    const sent = this.#request
    this.#request = undefined
    this.#reader?.stop()
    sent?.destroy()
    this.#over(by)
  }

  /** While it reads nothing by itself, it does not know whether the connection is silent. */
  #pulse(isPaused: boolean): void {
    const { silenceMs } = this.options
    if (silenceMs === undefined) return
    if (isPaused) {
      clearTimeout(this.#silence)
      this.#silence = undefined
    } else if (this.#silence) this.#silence.refresh()
    else this.#silence = setTimeout(() => this.#end('broken'), silenceMs)
  }

  /** It comes back in one of two ways: as an EventSource does, to the same URL with a header, or by a new URL. */
  #target(lastId: string | undefined): { url: string; headers: Record<string, string> } {
    const { origin, stream, types, from, form, where, authorization, random } = this.options
    const query = new URLSearchParams({ stream, ...(types && { types: types.join(',') }) })
    if (where) query.set('where', WHERE)
    if (form === 'envelope') query.set('envelope', 'message')
    const accept = form === 'envelope' ? 'text/event-stream' : form
    const headers: Record<string, string> = { accept, authorization: authorization(this.#isRefused) }
    if (lastId !== undefined && random.chance(0.3)) query.set('last_event_id', lastId)
    else query.set('from', from)
    if (lastId !== undefined && query.has('from')) headers['last-event-id'] = lastId
    return { url: `${origin()}/api/events?${query}`, headers }
  }

  #read(response: IncomingMessage): void {
    const { form, manner, random, tally } = this.options
    const { statusCode = 0 } = response
    response.on('error', () => {})
    this.record.status(statusCode)
    this.#isRefused = statusCode === 401 || statusCode === 403
    if (statusCode === 204) this.#over('closed')
    else if (statusCode !== 200) tally.refusals += 1
    if (statusCode !== 200) {
      response.resume()
      return
    }
    const take = READERS[form]({
      lastId: this.lastId,
      take: said => this.stopping.signal.aborted || this.#take(said),
      onRetry: ms => {
        this.#retryMs = ms
      },
    })
    const onPulse = (isPaused: boolean) => this.#pulse(isPaused)
    const reader = readResponse(response, { manner, random, take, onPulse })
    this.#reader = reader
    if (this.isSettled) reader.hurry()
  }

  #take({ type, id, data, text }: Said): void {
    const { tally } = this.options
    if (id !== undefined) this.lastId = id
    if (type === '') this.record.notice('cursor', id)
    else if (NOTICES.has(type)) {
      if (type === 'unavailable') tally.refusals += 1
      if (type === 'auth-revoked' || type === 'auth-expired') this.#isRefused = true
      this.record.notice(type, id, (JSON.parse(data) as { reason?: string }).reason)
    } else {
      tally.deliveries += 1
      this.record.frame(id ?? '', type, text)
      if (type === END) this.finish()
    }
    if (id !== undefined) this.finishAtLast()
  }
}
