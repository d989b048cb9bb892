/**
 * A content filter as SQL, for the rows `e` of events. Its verdict is true, false or, where Postgres cannot decide, null. It
 * cannot decide events with escapes that have no text in Postgres (U+0000, surrogates), nor numbers that may not fit its
 * `numeric`. These propagate through `and`, `or` and `not` as SQL defines it, so a verdict of false is always right, and
 * the caller judges the rest with the filter itself.
 */
import type { ContentFilter } from './content-filter.js'
import { textOfDecimal } from './decimal.js'
import { type Expression, type Literal, type Order, pathsOf } from './expression.js'
import type { Path } from './path.js'

export interface ContentSql {
  /** For a FROM clause, after `e`: a row with the columns `judged`, which is true, and `verdict`. */
  readonly lateral: string
  readonly values: readonly unknown[]
  /** How many times the data of each event is parsed. */
  readonly parses: number
}

const OPERATORS: Readonly<Record<Order, string>> = { lt: '<', le: '<=', gt: '>', ge: '>=' }
/** Escapes that Postgres cannot read. A few harmless texts match too. */
const UNREADABLE = `strpos(e.data::text, '\\u') > 0 and e.data::text ~ '\\\\u(0000|[dD][89a-fA-F])'`
/** Numbers with at most so many characters, and without an exponent, are exact in `numeric`. */
const MAX_DIGITS = 100

/**
 * @param first the number of the first parameter: `values` begin there.
 * @param condition the rows that are judged; there is no row for others.
 */
export function contentSql({ expression }: ContentFilter, first: number, condition = 'true'): ContentSql {
  const values: unknown[] = []
  const parameter = (value: unknown, type: string) => {
    values.push(value)
    return `$${first + values.length - 1}::${type}`
  }
  const paths = pathsOf(expression)
  const names = new Map(paths.map(({ key }, number) => [key, number]))
  const found = paths.map((path, number) => `${chain(path, parameter)} as v${number}`)
  const kinds = paths.map((_, number) => `v${number}, json_typeof(v${number}) as k${number}`)
  const texts = paths.map(
    (_, n) => `k${n}, case when k${n} in ('string', 'number', 'boolean') then v${n} #>> '{}' end as t${n}`,
  )
  const verdict = verdictOf(expression, ({ key }) => names.get(key) ?? 0, parameter)
  const lateral = `lateral (
    select true as judged, case when not unreadable then ${verdict} end as verdict
      from (select unreadable, ${texts.join(', ')}
              from (select unreadable, ${kinds.join(', ')}
                      from (select unreadable, ${found.join(', ')}
                              from (select ${UNREADABLE} as unreadable where ${condition} offset 0) readable offset 0) found
                    offset 0) kinds
            offset 0) texts) judged`
  const parses = paths.reduce((sum, { steps }) => sum + Math.min(1, steps.length), 0)
  return { lateral, values, parses }
}

type Parameter = (value: unknown, type: string) => string

function chain({ steps }: Path, parameter: Parameter): string {
  if (steps.length === 0) return 'to_json(e.type)'
  const arrows = steps.map(step => ` -> ${parameter(step, typeof step === 'number' ? 'int' : 'text')}`)
  return `case when not unreadable then e.data${arrows.join('')} end`
}

function verdictOf(expression: Expression, numberOf: (path: Path) => number, parameter: Parameter): string {
  const verdict = (part: Expression) => verdictOf(part, numberOf, parameter)
  if (expression.is === 'not') return `(not ${verdict(expression.of)})`
  if (expression.is === 'all') return `(${expression.of.map(verdict).join(' and ')})`
  if (expression.is === 'any') return `(${expression.of.map(verdict).join(' or ')})`
  const n = numberOf(expression.path)
  switch (expression.is) {
    case 'present':
      return `(k${n} is not null)`
    case 'one-of':
      return oneOfSql(n, expression.values, parameter)
    case 'beginning':
      return when(n, 'string', `starts_with(t${n}, ${parameter(expression.text, 'text')})`)
    case 'ordered': {
      const { than, order } = expression
      const operator = OPERATORS[order]
      return than.kind === 'string'
        ? when(n, 'string', `t${n} collate "C" ${operator} ${parameter(than.text, 'text')}`)
        : when(n, 'number', exact(n, `${operator} ${parameter(textOfDecimal(than.decimal), 'numeric')}`))
    }
  }
}

function oneOfSql(n: number, literals: readonly Literal[], parameter: Parameter): string {
  const texts = literals.flatMap(literal => (literal.kind === 'string' ? [literal.text] : []))
  const numbers = literals.flatMap(literal =>
    literal.kind === 'number' ? [textOfDecimal(literal.decimal)] : [],
  )
  const names = literals.flatMap(({ kind }) => (kind === 'true' || kind === 'false' ? [kind] : []))
  const verdicts = [
    texts.length > 0 && when(n, 'string', `t${n} collate "C" = any (${parameter(texts, 'text[]')})`),
    numbers.length > 0 && when(n, 'number', exact(n, `= any (${parameter(numbers, 'numeric[]')})`)),
    names.length > 0 && when(n, 'boolean', `t${n} = any (${parameter(names, 'text[]')})`),
    literals.some(({ kind }) => kind === 'null') && when(n, 'null', 'true'),
  ]
  return `(${verdicts.filter(verdict => verdict !== false).join(' or ')})`
}

/** False for values that are missing or of another kind. */
function when(n: number, kind: string, comparison: string): string {
  return `(case when k${n} = '${kind}' then ${comparison} else false end)`
}

function exact(n: number, comparison: string): string {
  return `case when length(t${n}) <= ${MAX_DIGITS} and t${n} !~ '[eE]' then t${n}::numeric ${comparison} end`
}
