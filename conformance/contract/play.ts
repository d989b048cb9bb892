/** Plays one case: starts its server, lets the client follow it, and compares until everything was seen or time is up. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Adapter, Observation } from './adapter.js'
import { AwkwardServer } from './awkward-server.js'
import type { Case } from './case.js'
import { Comparison } from './comparison.js'
import { afterTicks, type Patience } from './deadline.js'

export interface Result {
  readonly id: string
  readonly rule: Case['rule']
  /** Empty if the client behaves as the case says. */
  readonly faults: readonly string[]
}

/** For everything that the case expects, and then again for the end. Times the patience of the run. */
const PATIENCE_MS = 5_000
/** How long nothing further may happen after the last thing that the case expects. Too short a time overlooks a fault, no more. */
const QUIET_MS = 120

export async function play(story: Case, adapter: Adapter, patience: Patience): Promise<Result> {
  const playing = new Play(story, adapter, patience)
  return { id: story.id, rule: story.rule, faults: await playing.faults() }
}

class Play {
  readonly #faults = new Set<string>()
  readonly #comparison: Comparison
  /** How often each kind of observation was made. */
  readonly #counts = new Map<string, number>()
  #server: AwkwardServer | undefined
  #isClosing = false
  /** Times that both sides know are chosen once, at the beginning. */
  readonly #slowness: number
  /** Called after every observation, request and fault, and after the end of every connection. */
  readonly #changed = new Set<() => void>()

  constructor(
    private readonly story: Case,
    private readonly adapter: Adapter,
    private readonly patience: Patience,
  ) {
    this.#comparison = new Comparison(story.see)
    this.#slowness = patience()
  }

  async faults(): Promise<string[]> {
    const { story, adapter } = this
    const server = await AwkwardServer.start(story, {
      slowness: this.#slowness,
      changed: () => this.#look(),
      fault: text => this.#note(() => this.#faults.add(text)),
      tell: command => adapter.tell(story.id, command),
      seen: async (kind, count) => await this.#until(() => this.#count(kind) >= count),
    })
    this.#server = server
    adapter.follow(
      story.id,
      {
        observed: observation => this.#note(() => this.#observe(observation)),
        failed: reason => this.#note(() => this.#faults.add(reason)),
      },
      { layer: story.layer, url: server.url, options: this.#options() },
    )
    try {
      await this.#story(server)
      await this.#end(server)
    } finally {
      adapter.forget(story.id)
      await server.close()
    }
    return [...this.#faults]
  }

  async #story(server: AwkwardServer): Promise<void> {
    const isOver = () => this.#comparison.state === 'complete' && !server.isWaiting
    await this.#must(isOver, () =>
      this.#comparison.state === 'waiting'
        ? this.#comparison.missing()
        : `sent ${server.requests} requests and no further one`,
    )
    if (this.#faults.size === 0) await sleep(QUIET_MS)
  }

  async #end(server: AwkwardServer): Promise<void> {
    const hasEnded = () => this.#count('ended') > 0
    if (!hasEnded()) {
      this.#isClosing = true
      this.adapter.tell(this.story.id, 'close')
    }
    if (this.#faults.size > 0) return
    await this.#must(hasEnded, () => 'was closed, and did not report that it has ended')
    await this.#must(
      () => server.connections === 0,
      () => `has ended, and keeps ${server.connections} connections open`,
    )
  }

  /** Waits for the fact or for a fault, and complains if neither comes in time. */
  async #must(fact: () => boolean, complaint: () => string): Promise<void> {
    const late = new AbortController()
    const inTime = afterTicks(PATIENCE_MS, this.patience, () => late.abort())
    await this.#until(() => fact() || this.#faults.size > 0, late.signal)
    inTime()
    if (late.signal.aborted) this.#faults.add(complaint())
  }

  async #until(fact: () => boolean, signal?: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const look = () => {
        if (!fact() && !signal?.aborted) return
        this.#changed.delete(look)
        resolve()
      }
      this.#changed.add(look)
      signal?.addEventListener('abort', look)
      look()
    })
  }

  #note(change: () => unknown): void {
    change()
    this.#look()
  }

  #look(): void {
    for (const look of [...this.#changed]) look()
  }

  #observe(observation: Observation): void {
    const { saw } = observation
    this.#counts.set(saw, (this.#counts.get(saw) ?? 0) + 1)
    if (this.#isClosing && saw === 'ended') return
    this.#comparison.take(observation)
    const { difference } = this.#comparison
    if (difference !== undefined) this.#faults.add(difference)
  }

  #count(kind: string): number {
    return (kind === 'request' ? this.#server?.requests : this.#counts.get(kind)) ?? 0
  }

  /** On a slow machine, a server must not look silent, nor credentials expire before their first use. */
  #options() {
    const options = { ...this.story.options }
    for (const name of ['silence_ms', 'expires_in_ms', 'renew_ms'] as const) {
      const ms = options[name]
      // A whole number, because the contract says so: a client with a type for it cannot read `3083.5`.
      if (ms !== undefined) options[name] = Math.round(ms * this.#slowness)
    }
    return options
  }
}
