/**
 * Sources that give tokens at a fixed rate, whether they are asked or not, as a model does: a token says its number and when it came into
 * being, so a writer that is late shows in the latency.
 */
import { now } from '../statistics.js'

const TICK_MS = 1

export interface Paced {
  readonly streams: number
  /** Tokens a second of each stream. */
  readonly rate: number
  /** Tokens of each stream. */
  readonly tokens: number
}

/** A part of the UI message stream of the AI SDK. */
export interface Token {
  readonly type: 'text-delta'
  readonly id: string
  readonly delta: string
}

/** The number of the token, when it came into being (ns), and as many characters as a token of a model has. */
export function tokenOf(n: number): Token {
  return { type: 'text-delta', id: 'text', delta: `${n} ${now()} word` }
}

export class PacedSources {
  readonly #paced: Paced
  readonly #all: PacedSource[]
  #sent = 0

  constructor(paced: Paced) {
    this.#paced = paced
    this.#all = Array.from({ length: paced.streams }, () => new PacedSource(paced.tokens))
  }

  of(stream: number): AsyncIterable<Token> {
    return this.#all[stream] as PacedSource
  }

  /** The streams take turns, so that the tokens are spread evenly. */
  start(): void {
    const { streams, rate, tokens } = this.#paced
    const from = performance.now()
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - from) / 1_000) * rate * streams)
      for (; this.#sent < Math.min(due, tokens * streams); this.#sent += 1) {
        this.#all[this.#sent % streams]?.give(Math.floor(this.#sent / streams))
      }
      if (this.#sent >= tokens * streams) clearInterval(timer)
    }, TICK_MS)
  }
}

class PacedSource implements AsyncIterable<Token> {
  readonly #waiting: Token[] = []
  #taken = 0
  #wake = () => {}

  constructor(readonly tokens: number) {}

  give(n: number): void {
    this.#waiting.push(tokenOf(n))
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Token, void> {
    for (; this.#taken < this.tokens; this.#taken += 1) {
      while (this.#waiting.length === 0) {
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
      }
      yield this.#waiting.shift() as Token
    }
  }
}
