/**
 * Turns @fastify/swagger's description of the routes into one that client generators accept: the schemas meant for
 * readers (described.ts), each titled schema once under its title in `components`, and a problem as the response of
 * every failing operation.
 */
import { isDeepStrictEqual } from 'node:util'
import { FORM, SHOWN } from './described.js'

type Node = Readonly<Record<string, unknown>>

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
const PROBLEM = { $ref: '#/components/responses/Problem' }

/** @throws {Error} if two different schemas have the same title. */
export function finished<Document extends object>(document: Document): Document {
  const schemas = new Map<string, unknown>()
  const whole = mapped(document, schemas) as Document
  const { components, paths } = asNode(whole)
  answerWithProblems(paths)
  const common = asNode(components)
  return { ...whole, components: { ...common, schemas: { ...asNode(common.schemas), ...named(schemas) } } }
}

/**
 * A copy with the shown schemas in place of the validating ones, and references to `schemas` in place of titled ones.
 */
function mapped(value: unknown, schemas: Map<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map(inner => mapped(inner, schemas))
  if (typeof value !== 'object' || value === null) return value
  if (SHOWN in value) return mapped(value[SHOWN], schemas)
  const entries = Object.entries(value).filter(([key]) => key !== FORM)
  const copy = Object.fromEntries(entries.map(([key, inner]) => [key, mapped(inner, schemas)]))
  const { title } = copy
  if (typeof title !== 'string' || typeof copy.type !== 'string') return copy
  if (schemas.has(title) && !isDeepStrictEqual(schemas.get(title), copy)) {
    throw new Error(`Two schemas that differ have the title ${title}.`)
  }
  schemas.set(title, copy)
  return { $ref: `#/components/schemas/${title}` }
}

function named(schemas: ReadonlyMap<string, unknown>): Node {
  return Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function answerWithProblems(paths: unknown): void {
  for (const operations of Object.values(asNode(paths))) {
    for (const method of METHODS) {
      const operation = asNode(operations)[method] as { responses?: object } | undefined
      if (operation) operation.responses = { ...operation.responses, '4XX': PROBLEM, '5XX': PROBLEM }
    }
  }
}

function asNode(value: unknown): Node {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
