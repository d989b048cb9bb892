/**
 * Reads the text of a content filter, such as `data.project eq "A12" and data.state in ("open","held")`; docs/protocol.md has
 * the grammar. Everything is bounded: the text, the comparisons, the values, the nesting and the paths.
 */
import type { Problem } from '../../problems/problem.js'
import { decimalOf } from './decimal.js'
import {
  beginning,
  combine,
  type Expression,
  type Literal,
  not,
  type Order,
  type Ordered,
  oneOf,
  ordered,
  present,
} from './expression.js'
import { dataPath, MAX_STEPS, type Path, type Step, TYPE } from './path.js'
import { invalidWhere, type Token, tokensOf } from './where-tokens.js'

const MAX_COMPARISONS = 32
const MAX_VALUES = 128
const MAX_NESTING = 16
const MAX_EXPONENT = 9_999

const ORDERS: ReadonlySet<string> = new Set<Order>(['lt', 'le', 'gt', 'ge'])
/** Postgres cannot store them, so no value that it compares contains one. */
const UNSTORABLE = /[\0\p{Cs}]/u

/** @throws {Problem} 400 `invalid-where`. */
export function parseWhere(text: string): Expression {
  return new Parser(tokensOf(text)).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0
  #comparisons = 0
  #values = 0
  #nesting = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Expression {
    const expression = this.#any()
    if (this.#token.kind !== 'end') throw this.#fault('Expected and, or, or the end.')
    return expression
  }

  get #token(): Token {
    const token = this.#tokens[this.#next]
    if (!token) throw new Error('The end was read.')
    return token
  }

  #any(): Expression {
    const parts = [this.#all()]
    while (this.#takes('or')) parts.push(this.#all())
    return combine('any', parts)
  }

  #all(): Expression {
    const parts = [this.#part()]
    while (this.#takes('and')) parts.push(this.#part())
    return combine('all', parts)
  }

  #part(): Expression {
    if (this.#takes('not')) return not(this.#nested(() => this.#part()))
    if (!this.#takes('(')) return this.#comparison()
    const inner = this.#nested(() => this.#any())
    this.#expect(')')
    return inner
  }

  #nested(read: () => Expression): Expression {
    this.#nesting += 1
    if (this.#nesting > MAX_NESTING)
      throw this.#fault(`It has more than ${MAX_NESTING} levels of not and parentheses.`)
    const inner = read()
    this.#nesting -= 1
    return inner
  }

  #comparison(): Expression {
    this.#comparisons += 1
    if (this.#comparisons > MAX_COMPARISONS)
      throw this.#fault(`It has more than ${MAX_COMPARISONS} comparisons.`)
    const path = this.#path()
    const { text: operator, kind } = this.#token
    if (kind === 'word') this.#next += 1
    if (operator === 'exists') return present(path)
    if (operator === 'eq') return oneOf(path, [this.#literal()])
    if (operator === 'ne') return not(oneOf(path, [this.#literal()]))
    if (operator === 'in') return oneOf(path, this.#list())
    if (operator === 'starts_with') return beginning(path, this.#string())
    if (isOrder(operator)) return ordered(path, operator, this.#ordered())
    if (kind === 'word') this.#next -= 1
    throw this.#fault('Expected eq, ne, lt, le, gt, ge, in, starts_with or exists.')
  }

  #path(): Path {
    const at = this.#token
    if (this.#takes('type')) return TYPE
    if (!this.#takes('data')) throw this.#fault('Expected a path, such as data.project, or type.')
    const steps: Step[] = []
    for (let step = this.#step(); step !== undefined; step = this.#step()) steps.push(step)
    if (steps.length === 0) throw this.#fault('Expected a name in the data, such as data.project.')
    if (steps.length > MAX_STEPS) throw invalidWhere(at.at, `The path has more than ${MAX_STEPS} names.`)
    return dataPath(steps)
  }

  #step(): Step | undefined {
    const { kind: start, text: name } = this.#token
    if (start === 'name') {
      this.#next += 1
      return name.slice(1)
    }
    if (this.#takes('.'))
      throw this.#fault('Expected a name, without a space. Write other names as in data["2nd name"].')
    if (!this.#takes('[')) return undefined
    const { kind, text } = this.#token
    const step = kind === 'string' ? this.#string() : this.#index(text)
    this.#expect(']')
    return step
  }

  #index(text: string): number {
    if (!/^[0-9]{1,6}$/.test(text))
      throw this.#fault('Expected a name as a JSON string, or an index from 0 to 999999.')
    this.#next += 1
    return Number(text)
  }

  #list(): Literal[] {
    this.#expect('(')
    const literals = [this.#literal()]
    while (this.#takes(',')) literals.push(this.#literal())
    this.#expect(')')
    return literals
  }

  #literal(): Literal {
    const { text } = this.#token
    if (text !== 'null' && text !== 'true' && text !== 'false')
      return this.#ordered('a string, a number, true, false or null')
    this.#count()
    this.#next += 1
    return { kind: text }
  }

  #ordered(what = 'a string or a number'): Ordered {
    const { kind, text } = this.#token
    if (kind === 'string') return { kind, text: this.#string() }
    if (kind !== 'number') throw this.#fault(`Expected ${what}; strings are in double quotes.`)
    const exponent = text.toLowerCase().split('e')[1] ?? '0'
    if (Math.abs(Number(exponent)) > MAX_EXPONENT)
      throw this.#fault(`The exponent is beyond ${MAX_EXPONENT}. Write a smaller one.`)
    this.#count()
    this.#next += 1
    return { kind, decimal: decimalOf(text) }
  }

  #string(): string {
    const { kind, text } = this.#token
    if (kind !== 'string') throw this.#fault('Expected a string in double quotes.')
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'string' || UNSTORABLE.test(value))
      throw this.#fault('Remove U+0000 and unpaired surrogates from the string.')
    this.#count()
    this.#next += 1
    return value
  }

  #count(): void {
    this.#values += 1
    if (this.#values > MAX_VALUES) throw this.#fault(`It has more than ${MAX_VALUES} values.`)
  }

  #takes(text: string): boolean {
    const { kind } = this.#token
    const takes = this.#token.text === text && kind !== 'string'
    if (takes) this.#next += 1
    return takes
  }

  #expect(mark: string): void {
    if (!this.#takes(mark)) throw this.#fault(`Expected ${mark}.`)
  }

  #fault(remedy: string): Problem {
    return invalidWhere(this.#token.at, remedy)
  }
}

function isOrder(word: string): word is Order {
  return ORDERS.has(word)
}
