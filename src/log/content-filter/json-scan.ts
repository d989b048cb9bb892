/**
 * Finds values in a JSON text without parsing the rest of it. One pass finds the values of all paths; its cost is linear in the
 * text, whatever the text contains. The text is valid, because the database has checked it.
 *
 * If an object has several members of one name, the last one counts, as in JSON.parse and Postgres.
 */
import type { PathTree } from './path.js'
import {
  ARRAY,
  FALSE,
  MISSING,
  NULL,
  numberValue,
  OBJECT,
  stringIn,
  stringValue,
  TRUE,
  type Value,
} from './value.js'

const QUOTE = 34
const BACKSLASH = 92
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const COMMA = 44
/** Every space and control character is less than all others. */
const SPACE = 32
/** A string up to this length is read character by character. */
const SHORT_LENGTH = 32

/**
 * @param tree of `count` paths (path.ts).
 * @returns the values of the paths, in the order of their numbers.
 */
export function findValues(json: string, tree: PathTree, count: number): Value[] {
  const found = new Array<Value>(count).fill(MISSING)
  new Scan(json, found).value(0, tree)
  return found
}

class Scan {
  readonly #json: string
  readonly #found: Value[]

  constructor(json: string, found: Value[]) {
    this.#json = json
    this.#found = found
  }

  /** @returns the end of the value that starts at `start`, or after spaces there. */
  value(start: number, tree: PathTree): number {
    const json = this.#json
    const at = afterSpace(json, start)
    const first = json.charCodeAt(at)
    if (first === OPEN_BRACE && tree.names.size > 0) {
      this.#note(tree, OBJECT)
      return this.#object(at, tree)
    }
    if (first === OPEN_BRACKET && tree.indexes.size > 0) {
      this.#note(tree, ARRAY)
      return this.#array(at, tree)
    }
    const end = endOfValue(json, at)
    if (tree.ends.length > 0) this.#note(tree, readValue(json, at, end))
    return end
  }

  #object(start: number, tree: PathTree): number {
    const json = this.#json
    let at = afterSpace(json, start + 1)
    while (json.charCodeAt(at) === QUOTE) {
      const end = endOfString(json, at)
      const branch = this.#branch(tree, at + 1, end - 1)
      const colon = afterSpace(json, end)
      if (branch) {
        this.#forget(branch)
        at = this.value(colon + 1, branch)
      } else at = endOfValue(json, afterSpace(json, colon + 1))
      at = afterSpace(json, at)
      if (json.charCodeAt(at) !== COMMA) break
      at = afterSpace(json, at + 1)
    }
    return at + 1
  }

  #array(start: number, tree: PathTree): number {
    const json = this.#json
    let at = afterSpace(json, start + 1)
    for (let index = 0; at < json.length && json.charCodeAt(at) !== CLOSE_BRACKET; index += 1) {
      const branch = tree.indexes.get(index)
      at = afterSpace(json, branch ? this.value(at, branch) : endOfValue(json, at))
      if (json.charCodeAt(at) !== COMMA) break
      at = afterSpace(json, at + 1)
    }
    return at + 1
  }

  #branch({ names, lengths }: PathTree, start: number, end: number): PathTree | undefined {
    const json = this.#json
    if (lengths.has(end - start)) {
      const branch = names.get(json.slice(start, end))
      if (branch) return branch
    }
    return names.size > 0 && hasEscape(json, start, end) ? names.get(stringIn(json, start, end)) : undefined
  }

  #note({ ends }: PathTree, value: Value): void {
    for (const number of ends) this.#found[number] = value
  }

  /** A later member of the same name replaces all of an earlier one. */
  #forget(tree: PathTree): void {
    this.#note(tree, MISSING)
    for (const branch of tree.names.values()) this.#forget(branch)
    for (const branch of tree.indexes.values()) this.#forget(branch)
  }
}

function readValue(json: string, start: number, end: number): Value {
  switch (json.charAt(start)) {
    case '"':
      return stringValue(stringIn(json, start + 1, end - 1))
    case '{':
      return OBJECT
    case '[':
      return ARRAY
    case 't':
      return TRUE
    case 'f':
      return FALSE
    case 'n':
      return NULL
    default:
      return numberValue(json.slice(start, end))
  }
}

function afterSpace(json: string, start: number): number {
  let at = start
  while (json.charCodeAt(at) <= SPACE) at += 1
  return at
}

/** @param start of its first character. */
function endOfValue(json: string, start: number): number {
  const first = json.charCodeAt(start)
  if (first === QUOTE) return endOfString(json, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfContainer(json, start)
  let at = start
  for (let unit = first; unit > SPACE && !ends(unit); unit = json.charCodeAt(at)) at += 1
  return at
}

function ends(unit: number): boolean {
  return unit === COMMA || unit === CLOSE_BRACE || unit === CLOSE_BRACKET
}

function endOfContainer(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === QUOTE) at = endOfString(json, at) - 1
    else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) depth += 1
    else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  return json.length
}

/** @param start of its first quote. @returns the place after its second one. */
function endOfString(json: string, start: number): number {
  const soon = start + SHORT_LENGTH
  let at = start + 1
  for (; at < soon; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === QUOTE) return at + 1
    if (unit === BACKSLASH) at += 1
  }
  // In long strings the search for the quote is faster than a look at each character.
  let quote = json.indexOf('"', at)
  while (quote >= 0 && isEscaped(json, at, quote)) quote = json.indexOf('"', quote + 1)
  return quote < 0 ? json.length : quote + 1
}

/** Whether an odd number of backslashes precedes the quote; those before `from` belong to other escapes. */
function isEscaped(json: string, from: number, quote: number): boolean {
  let at = quote
  while (at > from && json.charCodeAt(at - 1) === BACKSLASH) at -= 1
  return (quote - at) % 2 === 1
}

function hasEscape(json: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (json.charCodeAt(at) === BACKSLASH) return true
  return false
}
