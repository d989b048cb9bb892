/** What a check has found, by rule, and how much it has looked at. */

/** Each rule and what it says. */
export const RULES = {
  gap: 'a client has missed an event between two that it received',
  doubled: 'a client received an event twice',
  reordered: 'a client received an event after a later one',
  incomplete: 'a client did not get everything although all was quiet',
  bytes: 'a client received other bytes than the table holds',
  unstored: 'a client received an event that was never stored',
  isolation: 'a client received an event of another stream, or one that it may not see',
  filter: 'a client received an event that its filter leaves out',
  'silent-loss': 'a client continued over a lost history without a reset',
  'cursor-ahead': 'a notice moved the cursor over an event that the client had not received',
  'cursor-behind': 'a notice moved the cursor back',
  'cursor-missing': 'a block that may be the last one had no cursor',
  'cursor-unknown': 'a notice had the id of no event',
  'reset-untrue': 'a reset although the log could continue at the cursor',
  'reset-uncaused': 'a reset that no fault explains',
  connection: 'a connection went on after its end, or gave events without a status of 200',
  ending: 'a stream with an end was ended before it, or not after it',
  status: 'a status that no fault explains',
  'acknowledged-lost': 'an event was acknowledged and is not in the table',
  'half-stored': 'a part of a transaction is in the table and a part is not',
  'undone-stored': 'an event of a transaction that was rolled back is in the table',
  'stored-twice': 'an event is in the table twice',
  'never-published': 'an event is in the table that no publisher has started',
  'wrong-stream': 'an event is in another stream than its publisher named',
  'not-adjacent': 'events of one transaction are not one after the other, in order',
  'acknowledged-order': 'an event that was acknowledged before another began stands after it',
  'publish-failed': 'a publish failed for a reason that no fault explains',
  'table-gap': 'the table has a gap, or a position twice',
  terminal: 'a stream with an end has no end, two of them, or events after it',
  'two-holders': 'two clients hold one consumer at a time',
  fenced: 'an acknowledgement counted although another client held the consumer',
  'consumer-order': 'a consumer handed out an event out of order, or one that was acknowledged',
  'consumer-cursor': 'the cursor of a consumer is not where it was acknowledged to',
  'in-flight': 'a consumer handed out more than may be in flight',
  unsigned: 'a delivery of a webhook is not signed by each secret',
  'webhook-order': 'an ordered webhook sent an event before another one was accepted',
  'job-states': 'the events of a job are not those of attempts one after the other',
  'job-holder': 'a runner was heard about an attempt that it did not have, or not heard',
  bound: 'a process used more than it may',
  'fault-missing': 'a planned fault was never injected',
} as const

export type Rule = keyof typeof RULES

const SHOWN_PER_RULE = 5

export class Verdict {
  readonly #examples = new Map<Rule, string[]>()
  readonly #counts = new Map<Rule, number>()
  readonly #looked = new Map<string, number>()

  /** @param describe called only for the findings that are shown. */
  found(rule: Rule, describe: () => string): void {
    this.#counts.set(rule, (this.#counts.get(rule) ?? 0) + 1)
    const examples = this.#examples.get(rule) ?? []
    this.#examples.set(rule, examples)
    if (examples.length < SHOWN_PER_RULE) examples.push(describe())
  }

  /** Counts what was looked at. */
  looked(at: string, count = 1): void {
    this.#looked.set(at, (this.#looked.get(at) ?? 0) + count)
  }

  get rules(): Rule[] {
    return [...this.#counts.keys()]
  }

  get findings(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  count(at: string): number {
    return this.#looked.get(at) ?? 0
  }

  /** As JSON, for a report. */
  toJSON() {
    return {
      findings: this.findings,
      looked: Object.fromEntries(this.#looked),
      rules: this.rules.map(rule => ({
        rule,
        count: this.#counts.get(rule),
        examples: this.#examples.get(rule),
      })),
    }
  }

  /** For people. */
  toString(): string {
    const looked = [...this.#looked].map(([at, count]) => `${count} ${at}`).join(', ')
    const rules = this.rules.flatMap(rule => [
      `${rule}: ${RULES[rule]} (${this.#counts.get(rule)} times)`,
      ...(this.#examples.get(rule) ?? []).map(example => `  ${example}`),
    ])
    return [
      `checked ${looked}`,
      ...rules,
      this.findings === 0 ? 'nothing found' : `${this.findings} findings`,
    ].join('\n')
  }
}
