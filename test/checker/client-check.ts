/**
 * One client against the table: it holds only the client's cursor, so a client costs the same memory whatever it receives. An event
 * has to be the next one that the client's filter shows, by identity; every id in a notice has to be a place up to which the client
 * has everything; and only a reset, true and caused, may move it elsewhere.
 */
import type { Faults } from './faults.js'
import type { EntryOf } from './history.js'
import { identify, isBlind } from './identity.js'
import { isReturned } from './invented-ids.js'
import { type Cursor, cursorAt, faultOnLostWay } from './lost-way.js'
import { isTrue } from './reset-truth.js'
import { matches, type Place, placeOf, type StreamLog } from './stream-log.js'
import type { Rule, Verdict } from './verdict.js'

/** So many missing events of a client are remembered, to tell a late one from a doubled one. */
const REMEMBERED = 1_000
/** The answers to a client that may not see a stream. */
const REFUSALS = [401, 403, 404]
/** Look for the bytes of an unknown event in other streams only for the first of them. */
const LOOKS = 20

export interface ClientCheckOptions {
  readonly client: EntryOf<'client'>
  readonly log: StreamLog
  readonly others: Iterable<StreamLog>
  readonly faults: Faults
  readonly verdict: Verdict
}

export class ClientCheck {
  readonly #options: ClientCheckOptions
  #cursor: Cursor | undefined
  readonly #missing = new Set<number>()
  #connection = 0
  #status: number | undefined
  #isOpen = false
  /** What the last connection brought. */
  #brought: string | undefined
  /** Whether the connection has given an id, or the client has brought one that is not in its URL. */
  #hasId = false
  /** Whether the gateway cannot know of which history the client's cursor is. */
  #isBlind = false
  #isFirst = true
  #left = false
  #looks = 0

  constructor(options: ClientCheckOptions) {
    this.#options = options
  }

  open({ n, id }: EntryOf<'open'>): void {
    this.#options.verdict.looked('connections')
    if (n <= this.#connection)
      this.#found('connection', () => `connection ${n} opened after ${this.#connection}`)
    this.#connection = n
    this.#isOpen = true
    this.#status = undefined
    this.#brought = id
    this.#hasId = id !== undefined && this.#options.client.form !== 'durable'
    this.#isBlind = isBlind(id, this.#cursor)
    this.#isFirst = true
  }

  status({ status, isLimit, t }: EntryOf<'status'>): void {
    const { faults, log, client } = this.#options
    this.#status = status
    if (this.#isBlind && this.#cursor && status < 400) this.#cursor = { ...this.#cursor, isLost: false }
    if (isLimit ? status === 503 : client.granted?.length === 0 && REFUSALS.includes(status)) return
    if (!faults.explainStatus(status, log.name, t)) this.#found('status', () => `${status}`)
    if (status === 204 && log.terminal && !this.#isOver() && !this.#cursor?.isLost)
      this.#found('ending', () => `204 at ${this.#cursor?.id ?? 'the beginning'}`)
  }

  close({ by, t }: EntryOf<'close'>): void {
    const { log, faults } = this.#options
    this.#isOpen = false
    if (!log.terminal || this.#status !== 200 || by === 'client' || faults.explainEnd(log.name, t)) return
    if (this.#isOver() !== (by === 'server'))
      this.#found('ending', () => `${by === 'server' ? 'ended' : 'broken'} at ${this.#cursor?.id}`)
  }

  left(): void {
    this.#left = true
  }

  frame(received: EntryOf<'frame'>): void {
    const { verdict, log, client } = this.#options
    const { twin, ...entry } = identify(log, client, received, this.#cursor)
    verdict.looked('deliveries')
    if (!this.#isOpen || entry.n !== this.#connection || this.#status !== 200)
      this.#found('connection', () => `${entry.id} came over connection ${entry.n} without an open response`)
    this.#hasId = true
    this.#isFirst = false
    const place = placeOf(entry.id)
    if (place && log.has(place) && place.position > log.first.position) this.#stored(entry, place)
    else if (log.lost.get(entry.id) && place) this.#lost(entry, place)
    else if (place && log.isOlder(place)) this.#moveTo(entry.id, place, false)
    else this.#unknown(entry)
    if (twin && this.#cursor) this.#cursor = { ...this.#cursor, twin }
    if (!matches(entry.type, client.granted))
      this.#found('isolation', () => `${entry.id} has the type ${entry.type}, which is not granted`)
    else if (!matches(entry.type, client.types))
      this.#found('filter', () => `${entry.id} has the type ${entry.type}`)
  }

  notice(entry: EntryOf<'notice'>): void {
    const { client, faults, log, verdict } = this.#options
    const isHello = this.#isFirst && entry.name === 'server.state'
    this.#isFirst = false
    verdict.looked('notices')
    if (client.granted?.length === 0 && entry.name !== 'unavailable')
      this.#found('isolation', () => 'it may not see the stream, and it was opened')
    if (entry.name === 'unavailable' && !faults.explainStatus(503, log.name, entry.t))
      this.#found('status', () => `unavailable: ${entry.reason}`)
    if (entry.name === 'reset') this.#reset(entry)
    else if (entry.id !== undefined) this.#noted(entry, entry.id)
    else if (this.#hasId && !isHello)
      this.#found('cursor-missing', () => `${entry.name} after ${this.#cursor?.id}`)
    if (entry.id !== undefined) this.#hasId = true
  }

  /** Call it at the end, if all was quiet. */
  finish(): void {
    const { log, client } = this.#options
    if (this.#left || client.granted?.length === 0) return
    if (!this.#cursor) {
      this.#found('incomplete', () => 'it received nothing, not even a cursor')
      return
    }
    const { position, isLost, id } = this.#cursor
    const next = log.nextVisible(position, client)
    if (next !== undefined) this.#found('incomplete', () => `after ${id}, ${log.idAt(next)} is missing`)
    if (isLost) this.#found('silent-loss', () => `it still has ${id}, which the log has lost`)
    if (log.terminal && this.#isOpen) this.#found('ending', () => `it is open after ${id}`)
  }

  /** Whether the client has everything of a stream that has an end. */
  #isOver(): boolean {
    const { log, client } = this.#options
    return log.nextVisible(this.#cursor?.position ?? log.first.position, client) === undefined
  }

  #stored(entry: EntryOf<'frame'>, place: Place): void {
    const [{ log, client }, { position }] = [this.#options, place]
    if (!log.isSame(position, client.form, entry.h, entry.t))
      this.#found('bytes', () => `${entry.id} has the hash ${entry.h}`)
    const cursor = this.#cursor
    if (cursor && position <= cursor.position && !cursor.isLost) {
      const rule = this.#missing.delete(position) ? 'reordered' : 'doubled'
      this.#found(rule, () => `${entry.id} came after ${cursor.id}`)
      return
    }
    if (cursor?.isLost) this.#found('silent-loss', () => `${entry.id} came after ${cursor.id}, which is lost`)
    else if (cursor) this.#expectNothing(cursor, position, entry.id)
    this.#moveTo(entry.id, place, false)
  }

  /** Notes the events between the cursor and a position that the client should have got. */
  #expectNothing(cursor: Cursor, position: number, id: string, rule: Rule = 'gap'): void {
    const { log, client } = this.#options
    let next = log.nextVisible(cursor.position, client)
    if (next === undefined || next >= position) return
    const first = next
    this.#found(rule, () => `${id} came after ${cursor.id}, without ${log.idAt(first)}`)
    for (
      ;
      next !== undefined && next < position && this.#missing.size < REMEMBERED;
      next = log.nextVisible(next, client)
    )
      this.#missing.add(next)
  }

  /** An event that existed when it was delivered. */
  #lost(entry: EntryOf<'frame'>, place: Place): void {
    const { client, faults, log } = this.#options
    if (log.lost.get(entry.id)?.h[client.form] !== entry.h)
      this.#found('bytes', () => `${entry.id} has the hash ${entry.h}`)
    const cursor = this.#cursor
    if (cursor && place.position <= cursor.position && cursor.isLost)
      this.#found('doubled', () => `${entry.id} came after ${cursor.id}`)
    // A position alone is in the history of each server.
    else if (cursor && !(this.#isBlind && faults.isFailingOver(entry.t))) this.#expectWay(cursor, entry.id)
    this.#moveTo(entry.id, place, true)
  }

  #expectWay(cursor: Cursor, id: string, ahead?: Rule): void {
    const { log, client } = this.#options
    const [rule, text] = faultOnLostWay(log, client, cursor, id, ahead) ?? []
    if (rule) this.#found(rule, () => text ?? '')
  }

  #unknown(entry: EntryOf<'frame'>): void {
    const { log, others, client } = this.#options
    this.#looks += 1
    const owner =
      this.#looks <= LOOKS && [...others].find(other => other !== log && other.hasBytes(client.form, entry.h))
    if (owner) this.#found('isolation', () => `${entry.id} is an event of ${owner.name}`)
    else this.#found('unstored', () => `${entry.id} of the type ${entry.type}`)
  }

  #noted({ name }: EntryOf<'notice'>, id: string): void {
    const { log, client } = this.#options
    const place = placeOf(id)
    const isLost = log.lost.get(id) !== undefined
    if (!place || !(log.has(place) || isLost || log.lost.isBefore(id) || log.isOlder(place))) {
      if (!isReturned(id, this.#brought)) this.#found('cursor-unknown', () => `${name} has ${id}`)
      return
    }
    const cursor = this.#cursor
    if (cursor && place.position < cursor.position && !cursor.isLost)
      this.#found('cursor-behind', () => `${name} has ${id} after ${cursor.id}`)
    else if (cursor && !isLost && !cursor.isLost)
      this.#expectNothing(cursor, place.position + 1, `${name} with ${id}`, 'cursor-ahead')
    else if (cursor && isLost) this.#expectWay(cursor, id, 'cursor-ahead')
    else if (!cursor && client.from === 'beginning')
      this.#expectNothing({ ...log.base, id: 'the beginning', isLost: false }, place.position + 1, id)
    // A client whose last event was lost keeps its cursor until the reset.
    if (!cursor?.isLost || isLost) this.#moveTo(id, place, isLost)
  }

  #reset({ reason = '', id, t }: EntryOf<'notice'>): void {
    const { verdict, faults, log } = this.#options
    verdict.looked('resets')
    const from = this.#cursor ?? cursorAt(this.#brought ?? '', log)
    const at = `${reason} at ${from?.id ?? 'no cursor'}`
    if (!faults.explainReset(reason, log.name, t)) this.#found('reset-uncaused', () => at)
    if (!isTrue(reason, { from, brought: this.#brought, log, faults, t }))
      this.#found('reset-untrue', () => at)
    const place = id === undefined ? undefined : placeOf(id)
    if (id === undefined || !place) {
      this.#found('cursor-missing', () => `a reset, ${at}`)
      return
    }
    const isLost = log.lost.get(id) !== undefined
    if (!log.has(place) && !isLost && place.position > log.first.position)
      this.#found('cursor-unknown', () => `a reset to ${id}`)
    this.#missing.clear()
    this.#moveTo(id, place, isLost)
  }

  #moveTo(id: string, { position, check }: Place, isLost: boolean): void {
    this.#cursor = { id, position, check, isLost }
  }

  #found(rule: Rule, describe: () => string): void {
    const { client, verdict } = this.#options
    const where = () => `client ${client.client} on ${client.stream}, connection ${this.#connection}`
    verdict.found(rule, () => `${where()}: ${describe()}`)
  }
}
