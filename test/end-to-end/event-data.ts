/** The data of published events: a mark by which the checker knows the event, a number for filters, and texts that are hard to keep. */
import type { Random } from './random.js'

const LARGE_CHARACTERS = 60_000

export const TEXTS = [
  '',
  'plain',
  'Ä Ω Ж 𝄞 \u2028',
  '"quoted" \\ back',
  'two\nlines\r\nand a third',
  '\u0000\u001f\u007f',
] as const

/** @param large the share of events with a large text, 0 to 1. */
export function dataOf(marker: string, random: Random, large: number) {
  const text = random.chance(large) ? 'x'.repeat(random.between(1, LARGE_CHARACTERS)) : random.pick(TEXTS)
  return { marker, n: random.between(0, 9), text, nested: { list: [random.between(0, 9), null, true] } }
}

/** A text that the log has to keep as it is, white space and all. */
export function jsonOf(data: object, random: Random): string {
  return JSON.stringify(data, null, random.pick([0, 2, '\t'])).replaceAll('\n', random.pick(['\n', '\r\n']))
}
