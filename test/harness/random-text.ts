/** Random texts of everything that a parser of an event stream may trip over. */
import type { Random } from './random.js'

const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  '\n\r',
  ':',
  ': ',
  ' ',
  '  ',
  'data',
  'data:',
  'data: forged\n\n',
  'id: 3',
  'id:\n',
  'event: forged',
  'retry: 1',
  '\0',
  '\t',
  '\v',
  '\f',
  '\u001b[2J',
  '\u007f',
  '\u0085',
  '\u00a0',
  '\u2028',
  '\u2029',
  '\ufeff',
  '\ufffd',
  '\ud83d',
  '\udd29',
  'ü',
  '图',
  '🔩',
  '"',
  '\\',
  '{"a":1}',
  '[DONE]',
  'x',
] as const
const LONG = 20_000

/** Up to 12 pieces, seldom with a line of 20,000 characters among them. Lone surrogates occur. */
export function randomText(random: Random): string {
  let text = ''
  for (let left = random.integer(12); left > 0; left -= 1) text += random.pick(PIECES)
  return random.integer(2_000) === 0 ? text + random.pick(PIECES).repeat(LONG) : text
}

/** Without the control characters that a name or an id must not have. */
export function randomName(random: Random): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  return randomText(random).replace(/[\u0000-\u001f\u007f]/g, '')
}
