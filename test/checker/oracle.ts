/**
 * Decides whether a history is what the guarantees allow. It reads the history twice: first the table, the publishers, the faults and
 * the bounds, then what the clients received. Time is linear in the length of the history; memory grows with the number of events in the
 * table, of publishes and of clients, and not with the number of deliveries.
 */
import { ClientCheck } from './client-check.js'
import { Faults } from './faults.js'
import { type Entry, parseEntry } from './history.js'
import { PublishCheck } from './publish-check.js'
import { placeOf, StreamLog } from './stream-log.js'
import { UseCheck } from './use-check.js'
import { Verdict } from './verdict.js'

/** A history that can be read from its beginning more than once. */
export type Lines = () => AsyncIterable<readonly string[]> | Iterable<readonly string[]>

/** Lines of the second reading, which are most of a history. They need not be parsed in the first. */
const OF_CLIENTS =
  /^\{"k":"(?:frame|notice|open|close|status|left|handed|acking|acked|cursor|delivery|accepted)"/

/** @throws {Error} for a history that is not well formed; the text has the number of the line. */
export async function judge(lines: Lines): Promise<Verdict> {
  const oracle = new Oracle()
  await eachLine(lines, line => OF_CLIENTS.test(line) || oracle.learn(parseEntry(line)))
  oracle.decideTable()
  await eachLine(lines, line => OF_CLIENTS.test(line) && oracle.hear(parseEntry(line)))
  return oracle.finish()
}

async function eachLine(lines: Lines, take: (line: string) => unknown): Promise<void> {
  let number = 0
  for await (const some of lines()) {
    for (const line of some) {
      number += 1
      try {
        if (line !== '') take(line)
      } catch (error) {
        throw new Error(`Line ${number}: ${error instanceof Error ? error.message : error}`, { cause: error })
      }
    }
  }
}

class Oracle {
  readonly #verdict = new Verdict()
  readonly #faults = new Faults()
  readonly #publishes = new PublishCheck(this.#faults, this.#verdict)
  readonly #use = new UseCheck(this.#verdict)
  readonly #logs = new Map<string, StreamLog>()
  readonly #clients = new Map<string, ClientCheck>()
  readonly #declared: Extract<Entry, { k: 'client' }>[] = []
  readonly #samples: Extract<Entry, { k: 'sample' }>[] = []
  #planned: readonly string[] = []
  #hasHeader = false
  #isQuiet = false

  learn(entry: Entry): void {
    if (!this.#hasHeader && entry.k !== 'history')
      throw new Error('A history begins with a line of the kind history.')
    switch (entry.k) {
      case 'history':
        this.#hasHeader = true
        this.#planned = entry.planned ?? []
        break
      case 'client':
        this.#declared.push(entry)
        break
      case 'started':
        this.#publishes.started(entry)
        break
      case 'outcome':
        this.#publishes.outcome(entry)
        break
      case 'fault':
        this.#faults.add(entry)
        this.#verdict.looked('faults')
        break
      case 'quiet':
        this.#isQuiet = true
        break
      case 'bound':
        this.#use.bound(entry)
        break
      case 'sample':
        this.#samples.push(entry)
        break
      case 'log':
        this.#logs.set(entry.stream, new StreamLog(entry.stream, entry.base, entry.terminal))
        break
      case 'row':
        this.#row(entry)
        break
    }
  }

  /** Call it when everything was learned, before the clients are heard. */
  decideTable(): void {
    if (!this.#hasHeader) throw new Error('The history is empty.')
    const logs = this.#logs
    for (const client of this.#declared) {
      const log = logs.get(client.stream)
      if (!log)
        throw new Error(`The client ${client.client} follows ${client.stream}, of which there is no log.`)
      const options = { client, log, others: logs.values(), faults: this.#faults, verdict: this.#verdict }
      this.#clients.set(client.client, new ClientCheck({ ...options, others: [...logs.values()] }))
    }
    this.#publishes.finish()
    for (const sample of this.#samples) this.#use.sample(sample)
    this.#use.finish()
    for (const log of logs.values()) this.#checkEnd(log)
    for (const fault of this.#planned) {
      if (!this.#faults.counts.has(fault)) this.#verdict.found('fault-missing', () => fault)
    }
  }

  hear(entry: Entry): void {
    if (!('c' in entry)) return
    const client = this.#clients.get(entry.c)
    if (!client) throw new Error(`The client ${entry.c} is not declared.`)
    if (entry.k === 'frame') client.frame(entry)
    else if (entry.k === 'notice') client.notice(entry)
    else if (entry.k === 'open') client.open(entry)
    else if (entry.k === 'status') client.status(entry)
    else if (entry.k === 'close') client.close()
    else client.left()
  }

  finish(): Verdict {
    this.#verdict.looked('clients', this.#clients.size)
    if (this.#isQuiet) for (const client of this.#clients.values()) client.finish()
    return this.#verdict
  }

  #row(row: Extract<Entry, { k: 'row' }>): void {
    const log = this.#logs.get(row.stream)
    if (!log) throw new Error(`${row.stream} has a row before its log.`)
    const head = log.head
    if (!log.add(row)) {
      this.#verdict.found('table-gap', () => `${row.id} of ${row.stream} stands after ${head}`)
      return
    }
    this.#verdict.looked(row.lost ? 'lost events' : 'events')
    if (row.mark !== undefined)
      this.#publishes.row(row.stream, row.mark, row.lost ? undefined : placeOf(row.id)?.position)
  }

  #checkEnd(log: StreamLog): void {
    const { terminal, name, head, base } = log
    if (!terminal) return
    const ends: number[] = []
    for (let position = base.position + 1; position <= head; position += 1)
      if (terminal.includes(log.typeAt(position))) ends.push(position)
    if (ends.length !== 1 || ends[0] !== head)
      this.#verdict.found(
        'terminal',
        () => `${name} has ${head} events and its ends at ${ends.join(', ') || 'no place'}`,
      )
  }
}
