/**
 * A model that needs no network: its answer follows from the prompt alone, a token at a time. It stands in for `streamText` of the AI
 * SDK, and is asked in the same way: for the rest of an answer of which the beginning is written already.
 */
import { setTimeout as pause } from 'node:timers/promises'

export interface Request {
  readonly prompt: string
  /** What an earlier process has written of this answer: the model continues after it. */
  readonly written: string
  readonly signal: AbortSignal
}

export interface Model {
  /** The rest of the answer, token by token. */
  continue(request: Request): AsyncIterable<string>
}

const SENTENCES = 24
const SENTENCES_PER_PARAGRAPH = 4

const SUBJECTS = ['A stream', 'The log', 'Each reader', 'The database', 'A café in Zürich', 'This answer 🙂']
const VERBS = ['keeps', 'finds', 'hands on', 'counts', 'never loses', 'remembers']
const OBJECTS = [
  'every token in its order',
  'the place at which you left',
  'what was “said” before',
  '№ 7 of 12 parts',
  'the end, when there is one',
  'a copy for each tab',
]
const ENDS = [', even after a restart', ' — once, and not twice', '', ' while you wait', ' (naïvely put)', '']

/** @param delayMs the time between two tokens. */
export function slowModel(delayMs: number): Model {
  return {
    async *continue({ prompt, written, signal }) {
      let before = 0
      for (const token of tokensOf(prompt)) {
        before += token.length
        if (before <= written.length) continue
        await pause(delayMs, undefined, { signal })
        yield token
      }
    },
  }
}

/** The whole answer, in tokens: a word with what is before it. */
export function tokensOf(prompt: string): string[] {
  const random = numbersFrom(prompt)
  const one = (of: readonly string[]) => of[random(of.length)] ?? ''
  let text = `You asked: “${prompt.trim().slice(0, 80)}”. Here is what I know.`
  for (let n = 0; n < SENTENCES; n += 1) {
    text += n % SENTENCES_PER_PARAGRAPH === 0 ? '\n\n' : ' '
    text += `${one(SUBJECTS)} ${one(VERBS)} ${one(OBJECTS)}${one(ENDS)}.`
  }
  return text.match(/\s*\S+/g) ?? []
}

/** @returns a function that gives numbers below its argument, always the same ones for the same text. */
function numbersFrom(text: string): (below: number) => number {
  let state = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193)
  return below => {
    // xorshift32, which is stuck at 0.
    state ||= 1
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
