/**
 * What must not be written where people and programs read along: secrets, and characters that a terminal obeys. By the
 * form of a text, not by its place: whatever quotes a token or a key, it is cut out. Every pattern here reads a text once,
 * from left to right: it sees what strangers send.
 */
export const REDACTED = '[redacted]'

/** What a JWT or an API key, percent-encoded or not, could be a part of. */
const RUN = /[\w.%-]{16,}/g
/** How a JWT begins: `{"`, encoded. */
const JWT_START = 'eyJ'
const DOT = /\.|%2e/gi
const KEY = /slk(?:_|%5f)[\w%-]+/gi
const WORD = /\S+/g
/** The part of a URL that ends with the colon before its password. */
const BEFORE_PASSWORD = /[a-z0-9+.-]:\/\/[^:@/]*:/i
const PASSWORD = /\b(password=)[^\s&]+/gi

/** Control characters (C0, C1, DEL), line separators, and what turns the direction of writing (Unicode TR 36, §2.1). */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

/** Without JWTs and API keys. */
export function withoutTokens(text: string): string {
  return text.replace(RUN, run => {
    const kept = run.replace(KEY, `slk_${REDACTED}`)
    const start = kept.indexOf(JWT_START)
    const dots = start < 0 ? 0 : (kept.slice(start).match(DOT)?.length ?? 0)
    return dots < 2 ? kept : `${kept.slice(0, start)}${REDACTED}`
  })
}

/** Without those, and without passwords in URLs and in `password=…`. */
export function withoutSecrets(text: string): string {
  return withoutTokens(text).replace(WORD, withoutUrlPassword).replace(PASSWORD, `$1${REDACTED}`)
}

/** The password ends at the last `@` of the word: one that is not percent-encoded may hold an `@` itself. */
function withoutUrlPassword(word: string): string {
  const before = BEFORE_PASSWORD.exec(word)
  const start = before ? before.index + before[0].length : word.length
  const end = word.lastIndexOf('@')
  return start < end ? `${word.slice(0, start)}${REDACTED}${word.slice(end)}` : word
}

/** On one line, and without anything that a terminal would obey: what does such things is shown as `\u001b`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped)
}

/** The same for a line of JSON, whose other control characters JSON itself has escaped. It stays JSON. */
export function printableJson(line: string): string {
  return line.replace(UNPRINTABLE_IN_JSON, character => `\\${escaped(character)}`)
}

/** Neither secrets nor anything that a terminal would obey. */
export function clean(text: string): string {
  return printable(withoutSecrets(text))
}

/** The same, line by line. */
export function cleanLines(text: string): string {
  return text.split('\n').map(clean).join('\n')
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
