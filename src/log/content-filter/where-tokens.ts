/** Divides the text of a content filter into tokens. */
import { Problem } from '../../problems/problem.js'
import { MAX_WHERE_LENGTH } from './value.js'

export interface Token {
  readonly kind: 'name' | 'word' | 'string' | 'number' | 'mark' | 'end'
  /** As it was written. */
  readonly text: string
  /** The place of its first character, from 0. */
  readonly at: number
}

/** Sticky, so each begins where the last one ended: the cost is linear in the text. */
const TOKENS = [
  /** With the dot before it, so that a name may begin like a number. */
  ['name', /\.[A-Za-z0-9_$-]+/y],
  ['word', /[A-Za-z_$][A-Za-z0-9_$-]*/y],
  ['string', /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/uy],
  ['number', /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_$.])/y],
  ['mark', /[().,[\]]/y],
] as const
const SPACE = /[ \t\n\r]*/y

/** @throws {Problem} 400 `invalid-where`. */
export function tokensOf(text: string): Token[] {
  if (text.length > MAX_WHERE_LENGTH)
    throw invalidWhere(MAX_WHERE_LENGTH, `It is longer than ${MAX_WHERE_LENGTH} characters. Shorten it.`)
  const tokens: Token[] = []
  let at = matchEnd(SPACE, text, 0)
  while (at < text.length) {
    const token = tokenAt(text, at)
    tokens.push(token)
    at = matchEnd(SPACE, text, at + token.text.length)
  }
  return [...tokens, { kind: 'end', text: '', at }]
}

/** @param at the place of the fault in the text, from 0. @param remedy what is wrong, and what to write. */
export function invalidWhere(at: number, remedy: string): Problem {
  const position = at + 1
  return new Problem(400, 'invalid-where', `where has a fault at character ${position}. ${remedy}`, {
    position,
  })
}

function tokenAt(text: string, at: number): Token {
  for (const [kind, pattern] of TOKENS) {
    const end = matchEnd(pattern, text, at)
    if (end > at) return { kind, text: text.slice(at, end), at }
  }
  throw invalidWhere(at, remedyFor(text.charAt(at)))
}

function remedyFor(character: string): string {
  switch (character) {
    case '=':
    case '<':
    case '>':
    case '!':
      return 'Comparisons are words: eq, ne, lt, le, gt, ge, in, starts_with, exists.'
    case '&':
    case '|':
      return 'Combine comparisons with the words and, or, not.'
    case "'":
      return 'Write strings in double quotes.'
    case '"':
      return 'The string does not end, or has a character that JSON escapes. Write it as in JSON.'
    default:
      return /[-0-9]/.test(character)
        ? 'This is not a number. Write it as in JSON, such as 12, -0.5 or 1e6.'
        : 'This character has no meaning here. Write names with other characters as in data["näme"].'
  }
}

/** The place where the match that begins at `at` ends; `at` itself if there is none. */
function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return at + (pattern.exec(text)?.[0].length ?? 0)
}
