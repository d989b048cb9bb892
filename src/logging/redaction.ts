/**
 * Removes what people and programs must not read in logs and responses: secrets, and terminal control characters. It
 * recognises a secret by its form, not by its place: a quoted token or key is removed wherever it is. Every pattern
 * reads a text once from left to right, because the text comes from strangers.
 */
export const REDACTED = '[redacted]'

/** Part of every JWT and every API key. Most texts have neither, and each request writes two lines. */
const TRACE = /eyJ|slk/i
/** The characters of a JWT or an API key, percent-encoded or not. */
const RUN = /[\w.%-]{16,}/g
/** The start of a JWT: `{"`, encoded. */
const JWT_START = 'eyJ'
const DOT = /\.|%2e/gi
const KEY = /slk(?:_|%5f)[\w%-]+/gi
const WORD = /\S+/g
/** The part of a URL that ends with the colon before its password. */
const BEFORE_PASSWORD = /[a-z0-9+.-]:\/\/[^:@/]*:/i
const PASSWORD = /\b(password=)[^\s&]+/gi

/**
 * Control characters (C0, C1, DEL), line separators, and characters that change the writing direction (Unicode TR 36,
 * §2.1).
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

/** The text without JWTs and API keys. */
export function withoutTokens(text: string): string {
  if (!TRACE.test(text)) return text
  return text.replace(RUN, run => {
    const kept = run.replace(KEY, `slk_${REDACTED}`)
    const start = kept.indexOf(JWT_START)
    const dots = start < 0 ? 0 : (kept.slice(start).match(DOT)?.length ?? 0)
    return dots < 2 ? kept : `${kept.slice(0, start)}${REDACTED}`
  })
}

/** The text without JWTs, API keys, and passwords in URLs and in `password=…`. */
export function withoutSecrets(text: string): string {
  return withoutTokens(text).replace(WORD, withoutUrlPassword).replace(PASSWORD, `$1${REDACTED}`)
}

/** The password ends at the last `@` of the word: a password that is not percent-encoded may contain an `@` itself. */
function withoutUrlPassword(word: string): string {
  const before = BEFORE_PASSWORD.exec(word)
  const start = before ? before.index + before[0].length : word.length
  const end = word.lastIndexOf('@')
  return start < end ? `${word.slice(0, start)}${REDACTED}${word.slice(end)}` : word
}

/** The text on one line and without terminal control characters, which appear as `\u001b`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped)
}

/** As `printable`, for a line of JSON, in which JSON itself has escaped the other control characters. The line stays JSON. */
export function printableJson(line: string): string {
  return line.replace(UNPRINTABLE_IN_JSON, character => `\\${escaped(character)}`)
}

/** The text without secrets and without terminal control characters. */
export function clean(text: string): string {
  return printable(withoutSecrets(text))
}

/** As `clean`, line by line. */
export function cleanLines(text: string): string {
  return text.split('\n').map(clean).join('\n')
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
