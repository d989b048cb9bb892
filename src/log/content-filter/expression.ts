/**
 * The meaning of a content filter. Every expression is true or false for every event: a comparison with a value that is
 * missing, or of another kind, is false. Expressions that are written differently but mean the same mostly have one key.
 */
import { compareDecimals, type Decimal, textOfDecimal } from './decimal.js'
import type { Path } from './path.js'
import { compareTexts, type Value } from './value.js'

/** A value in the text of a filter. */
export type Literal =
  | { readonly kind: 'null' | 'true' | 'false' }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly decimal: Decimal }
export type Ordered = Extract<Literal, { kind: 'string' | 'number' }>
export type Order = 'lt' | 'le' | 'gt' | 'ge'

export type Expression = { readonly key: string } & (
  | { readonly is: 'all'; readonly of: readonly Expression[] }
  | { readonly is: 'any'; readonly of: readonly Expression[] }
  | { readonly is: 'not'; readonly of: Expression }
  | { readonly is: 'present'; readonly path: Path }
  | { readonly is: 'one-of'; readonly path: Path; readonly values: readonly Literal[] }
  | { readonly is: 'ordered'; readonly path: Path; readonly order: Order; readonly than: Ordered }
  | { readonly is: 'beginning'; readonly path: Path; readonly text: string }
)

/** All or any of the parts; their order and repetitions do not matter. */
export function combine(is: 'all' | 'any', parts: readonly Expression[]): Expression {
  const flat = parts.flatMap(part => (part.is === is ? part.of : [part]))
  const of = byKey(flat)
  const [only] = of
  if (only && of.length === 1) return only
  const word = is === 'all' ? ' and ' : ' or '
  return { is, of, key: `(${of.map(({ key }) => key).join(word)})` }
}

export function not(of: Expression): Expression {
  return of.is === 'not' ? of.of : { is: 'not', of, key: `not ${of.key}` }
}

export function present(path: Path): Expression {
  return { is: 'present', path, key: `${path.key} exists` }
}

export function oneOf(path: Path, literals: readonly Literal[]): Expression {
  const texts = new Map(literals.map(literal => [textOf(literal), literal]))
  const sorted = [...texts].sort(([one], [other]) => (one < other ? -1 : 1))
  const key = `${path.key} in (${sorted.map(([text]) => text).join(',')})`
  return { is: 'one-of', path, values: sorted.map(([, literal]) => literal), key }
}

export function ordered(path: Path, order: Order, than: Ordered): Expression {
  return { is: 'ordered', path, order, than, key: `${path.key} ${order} ${textOf(than)}` }
}

export function beginning(path: Path, text: string): Expression {
  return { is: 'beginning', path, text, key: `${path.key} starts_with ${JSON.stringify(text)}` }
}

/** @param lookUp the value of a path in the event. */
export function isTrue(expression: Expression, lookUp: (path: Path) => Value): boolean {
  switch (expression.is) {
    case 'all':
      return expression.of.every(part => isTrue(part, lookUp))
    case 'any':
      return expression.of.some(part => isTrue(part, lookUp))
    case 'not':
      return !isTrue(expression.of, lookUp)
    case 'present':
      return lookUp(expression.path).kind !== 'missing'
    case 'one-of':
      return isOneOf(lookUp(expression.path), expression.values)
    case 'ordered':
      return isOrdered(lookUp(expression.path), expression.order, expression.than)
    case 'beginning':
      return startsWith(lookUp(expression.path), expression.text)
  }
}

/** The paths that the expression compares, each once. */
export function pathsOf(expression: Expression): Path[] {
  return [...new Map([...comparedIn(expression)].map(path => [path.key, path])).values()]
}

function* comparedIn(expression: Expression): Generator<Path> {
  if (expression.is === 'not') yield* comparedIn(expression.of)
  else if ('of' in expression) for (const part of expression.of) yield* comparedIn(part)
  else yield expression.path
}

function isOneOf(value: Value, literals: readonly Literal[]): boolean {
  return literals.some(literal => isEqual(value, literal))
}

function isEqual(value: Value, literal: Literal): boolean {
  if (value.kind === 'string') return literal.kind === 'string' && value.text === literal.text
  if (value.kind !== 'number') return value.kind === literal.kind
  return literal.kind === 'number' && compareDecimals(value.decimal, literal.decimal) === 0
}

function isOrdered(value: Value, order: Order, than: Ordered): boolean {
  const sign = compare(value, than)
  if (sign === undefined) return false
  switch (order) {
    case 'lt':
      return sign < 0
    case 'le':
      return sign <= 0
    case 'gt':
      return sign > 0
    case 'ge':
      return sign >= 0
  }
}

/** Undefined if they are not of one kind. */
function compare(value: Value, than: Ordered): number | undefined {
  if (value.kind === 'string' && than.kind === 'string') return compareTexts(value.text, than.text)
  if (value.kind === 'number' && than.kind === 'number') return compareDecimals(value.decimal, than.decimal)
  return undefined
}

function startsWith(value: Value, text: string): boolean {
  return value.kind === 'string' && value.text.startsWith(text)
}

function textOf(literal: Literal): string {
  if (literal.kind === 'string') return JSON.stringify(literal.text)
  return literal.kind === 'number' ? textOfDecimal(literal.decimal) : literal.kind
}

function byKey(expressions: readonly Expression[]): Expression[] {
  const known = new Map(expressions.map(expression => [expression.key, expression]))
  return [...known.values()].sort((one, other) => (one.key < other.key ? -1 : 1))
}
