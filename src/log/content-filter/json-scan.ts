/**
 * Finds values in a JSON text without parsing the rest of it. One pass finds the values of all paths; its cost is linear in the
 * text, whatever the text contains. The text is valid, because the database has checked it.
 *
 * If an object has several members of one name, the last one counts, as in JSON.parse and Postgres.
 */
import {
  afterSpace,
  BACKSLASH,
  CLOSE_BRACKET,
  COMMA,
  endOfString,
  endOfValue,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from '../../bytes/json-places.js'
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

function hasEscape(json: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (json.charCodeAt(at) === BACKSLASH) return true
  return false
}
