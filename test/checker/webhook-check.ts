/** One webhook against the table: every event at least once, signed, and where it is ordered only after all before it were accepted. */
import { positionIn } from './content.js'
import type { Faults } from './faults.js'
import type { EntryOf } from './history.js'
import { positionOf } from './place.js'
import type { StreamLog, Wanted } from './stream-log.js'
import type { Rule, Verdict } from './verdict.js'

export class WebhookCheck {
  readonly #webhook: EntryOf<'webhook'>
  readonly #wanted: Wanted
  readonly #log: StreamLog
  readonly #faults: Faults
  readonly #verdict: Verdict
  /** All events up to this position were accepted. */
  #upTo: number
  /** And some beyond it. What was accepted again stays here. */
  readonly #beyond = new Set<number>()
  /** Requests that were not answered yet. */
  readonly #open = new Map<number, number>()

  constructor(webhook: EntryOf<'webhook'>, log: StreamLog, faults: Faults, verdict: Verdict) {
    this.#webhook = webhook
    this.#wanted = { form: webhook.form, ...(webhook.types && { types: webhook.types }) }
    this.#log = log
    this.#faults = faults
    this.#verdict = verdict
    this.#upTo = positionOf(webhook.start)
  }

  delivery(entry: EntryOf<'delivery'>): void {
    this.#verdict.looked('webhook deliveries')
    const found = (rule: Rule, describe: () => string) => this.#found(rule, describe)
    if (!entry.isSigned) found('unsigned', () => entry.id)
    const position = positionIn(this.#log, this.#wanted, entry, found)
    if (position === undefined) return
    this.#open.set(entry.d, position)
    const next = this.#log.nextVisible(this.#upTo, this.#wanted)
    if (this.#webhook.isOrdered && next !== undefined && next < position)
      found('webhook-order', () => `${entry.id} came before ${this.#log.idAt(next)} was accepted`)
  }

  accepted({ d }: EntryOf<'accepted'>): void {
    const position = this.#open.get(d)
    if (position === undefined) return
    this.#open.delete(d)
    this.#verdict.looked('accepted')
    this.#beyond.add(position)
    this.#advance()
  }

  redirected({ reason, after, t }: EntryOf<'redirected'>): void {
    const position = positionOf(after)
    if (!this.#faults.explainReset(reason, this.#log.name, t)) this.#found('reset-uncaused', () => reason)
    this.#upTo = Math.max(this.#upTo, position)
    this.#advance()
  }

  /** Call it at the end, if all was quiet. */
  finish(): void {
    const next = this.#log.nextVisible(this.#upTo, this.#wanted)
    if (next !== undefined && !this.#webhook.mayLack)
      this.#found('incomplete', () => `${this.#log.idAt(next)} was never accepted`)
  }

  #advance(): void {
    for (;;) {
      const next = this.#log.nextVisible(this.#upTo, this.#wanted)
      if (next === undefined || !this.#beyond.delete(next)) return
      this.#upTo = next
    }
  }

  #found(rule: Rule, describe: () => string): void {
    this.#verdict.found(rule, () => `webhook ${this.#webhook.webhook} on ${this.#log.name}: ${describe()}`)
  }
}
