/**
 * Decides whether a history is what the guarantees allow. It reads the history twice: first the table, the publishers, the faults and
 * the bounds, then what the clients received. Time is linear in the length of the history; memory grows with the number of events in the
 * table, of publishes and of clients, and not with the number of deliveries.
 */
import { ClientCheck } from './client-check.js'
import { ConsumerCheck } from './consumer-check.js'
import { Faults } from './faults.js'
import { type Entry, type EntryOf, parseEntry } from './history.js'
import { PublishCheck } from './publish-check.js'
import { TableCheck } from './table-check.js'
import { UseCheck } from './use-check.js'
import { Verdict } from './verdict.js'
import { WebhookCheck } from './webhook-check.js'

/** A history that can be read from its beginning more than once. */
export type Lines = () => AsyncIterable<readonly string[]> | Iterable<readonly string[]>

/** Lines of the second reading, which are most of a history. They need not be parsed in the first. */
const OF_CLIENTS =
  /^\{"k":"(?:frame|notice|open|close|status|left|held|handed|rewound|acking|acked|cursor|delivery|accepted|redirected)"/

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
        take(line)
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
  readonly #table = new TableCheck(this.#faults, this.#verdict, this.#publishes)
  readonly #use = new UseCheck(this.#verdict)
  readonly #clients = new Map<string, ClientCheck>()
  readonly #consumers = new Map<string, ConsumerCheck>()
  readonly #webhooks = new Map<string, WebhookCheck>()
  readonly #declared: (EntryOf<'client'> | EntryOf<'consumer'> | EntryOf<'webhook'>)[] = []
  readonly #samples: EntryOf<'sample'>[] = []
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
      case 'consumer':
      case 'webhook':
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
      case 'healed':
        this.#faults.healed(entry)
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
        this.#table.begin(entry)
        break
      case 'row':
        this.#table.row(entry)
        break
      case 'job':
        this.#table.answer(entry)
        break
    }
  }

  /** Call it when everything was learned, before the clients are heard. */
  decideTable(): void {
    if (!this.#hasHeader) throw new Error('The history is empty.')
    this.#faults.finish()
    for (const each of this.#declared) this.#declare(each)
    this.#publishes.finish()
    for (const sample of this.#samples) this.#use.sample(sample)
    this.#use.finish()
    this.#table.finish()
    for (const fault of this.#planned) {
      if (!this.#faults.names.has(fault)) this.#verdict.found('fault-missing', () => fault)
    }
  }

  hear(entry: Entry): void {
    if ('consumer' in entry) hearConsumer(known(this.#consumers, entry.consumer), entry)
    else if ('webhook' in entry) hearWebhook(known(this.#webhooks, entry.webhook), entry)
    else if ('c' in entry) hearClient(known(this.#clients, entry.c), entry)
  }

  finish(): Verdict {
    this.#verdict.looked('clients', this.#clients.size)
    const checks = [this.#clients, this.#consumers, this.#webhooks].flatMap(all => [...all.values()])
    if (this.#isQuiet) for (const check of checks) check.finish()
    return this.#verdict
  }

  #declare(declared: EntryOf<'client'> | EntryOf<'consumer'> | EntryOf<'webhook'>): void {
    const { logs } = this.#table
    const log = logs.get(declared.stream)
    const [faults, verdict] = [this.#faults, this.#verdict]
    if (!log) throw new Error(`There is no log of ${declared.stream}, which one follows: ${declared.k}.`)
    if (declared.k === 'consumer')
      this.#consumers.set(declared.consumer, new ConsumerCheck(declared, log, faults, verdict))
    else if (declared.k === 'webhook')
      this.#webhooks.set(declared.webhook, new WebhookCheck(declared, log, faults, verdict))
    else {
      const options = { client: declared, log, others: [...logs.values()], faults, verdict }
      this.#clients.set(declared.client, new ClientCheck(options))
    }
  }
}

function known<Check>(checks: ReadonlyMap<string, Check>, name: string): Check {
  const check = checks.get(name)
  if (!check) throw new Error(`${name} is not declared.`)
  return check
}

function hearClient(client: ClientCheck, entry: Entry): void {
  if (entry.k === 'frame') client.frame(entry)
  else if (entry.k === 'notice') client.notice(entry)
  else if (entry.k === 'open') client.open(entry)
  else if (entry.k === 'status') client.status(entry)
  else if (entry.k === 'close') client.close(entry)
  else client.left()
}

function hearConsumer(consumer: ConsumerCheck, entry: Entry): void {
  if (entry.k === 'handed') consumer.handed(entry)
  else if (entry.k === 'held') consumer.held(entry)
  else if (entry.k === 'rewound') consumer.rewound(entry)
  else if (entry.k === 'acking') consumer.acking(entry)
  else if (entry.k === 'acked') consumer.acked(entry)
  else if (entry.k === 'cursor') consumer.cursor(entry)
}

function hearWebhook(webhook: WebhookCheck, entry: Entry): void {
  if (entry.k === 'delivery') webhook.delivery(entry)
  else if (entry.k === 'accepted') webhook.accepted(entry)
  else if (entry.k === 'redirected') webhook.redirected(entry)
}
