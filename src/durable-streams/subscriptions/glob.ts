/**
 * Patterns over the paths of streams: `*` stands for one segment, `**` for any number of them, also none; any other character stands
 * for itself. A pattern becomes a regular expression that the database evaluates. It has no back references and no nested repetition of
 * the same characters, so Postgres matches it in time linear in the path, whatever the pattern.
 */

const MAX_PATTERN_LENGTH = 256
const MAX_WILDCARDS = 16
/** Characters of stream names, and the asterisk. */
const PATTERN = /^[A-Za-z0-9._:/*-]+$/
const SPECIAL = /[.]/g

export interface Glob {
  /** The pattern in normal form. */
  readonly pattern: string
  /** All paths that it matches begin so. */
  readonly prefix: string
  /** Anchored, for Postgres. */
  readonly expression: string
}

/** @returns a sentence about the pattern if it is none. */
export function parseGlob(text: string): Glob | { readonly fault: string } {
  const pattern = text.replace(/^\//, '')
  const segments = pattern.split('/')
  if (pattern.length > MAX_PATTERN_LENGTH || !PATTERN.test(pattern)) {
    return {
      fault: `A pattern has up to ${MAX_PATTERN_LENGTH} characters of A-Z a-z 0-9 . _ : - / and the wildcards * and **.`,
    }
  }
  if (segments.some(segment => segment === '' || segment === '.' || segment === '..')) {
    return { fault: 'A segment of the pattern is empty, or . or .., which no stream has.' }
  }
  const wild = segments.filter(segment => segment.includes('*'))
  if (wild.some(segment => segment !== '*' && segment !== '**')) {
    return { fault: 'A wildcard stands for whole segments: write * or ** between slashes.' }
  }
  if (wild.length > MAX_WILDCARDS) return { fault: `A pattern has at most ${MAX_WILDCARDS} wildcards.` }
  const kept = segments.filter((segment, index) => segment !== '**' || segments[index - 1] !== '**')
  return { pattern: kept.join('/'), prefix: prefixOf(kept), expression: expressionOf(kept) }
}

function prefixOf(segments: readonly string[]): string {
  const first = segments.findIndex(segment => segment.includes('*'))
  if (first === -1) return segments.join('/')
  const before = segments.slice(0, first).join('/')
  // `a/**` matches `a` too.
  return segments[first] === '**' || before === '' ? before : `${before}/`
}

function expressionOf(segments: readonly string[]): string {
  if (segments.every(segment => segment === '**')) return '^'
  let text = '^'
  let slash = false
  segments.forEach((segment, index) => {
    const isLast = index === segments.length - 1
    if (segment !== '**') {
      text += `${slash ? '/' : ''}${segment === '*' ? '[^/]+' : segment.replace(SPECIAL, '\\$&')}`
      slash = true
    } else if (isLast) text += slash ? '(?:/.*)?' : '.*'
    else {
      text += slash ? '/(?:.*/)?' : '(?:.*/)?'
      slash = false
    }
  })
  return `${text}$`
}
