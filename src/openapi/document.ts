/**
 * Turns @fastify/swagger's description of the routes into one that client generators accept: the schemas meant for
 * readers (described.ts), each titled schema once under its title in `components`, a problem as the response of every
 * failing operation, and a description of every response.
 */
import { isDeepStrictEqual } from 'node:util'
import { FORM, SHOWN } from './described.js'

type Node = Readonly<Record<string, unknown>>

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
/** The text of @fastify/swagger for a response without a description. */
const UNDESCRIBED = 'Default Response'
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  200: 'Done: the result.',
  201: 'Created.',
  202: 'Accepted.',
  204: 'Done.',
}
const PROBLEM = { $ref: '#/components/responses/Problem' }

/** @throws {Error} if two different schemas have the same title. */
export function finished<Document extends object>(document: Document): Document {
  const whole = withComponents(document)
  for (const operation of operationsIn(asNode(whole).paths)) {
    describeResponses(operation)
    describeBody(operation)
  }
  return whole
}

/**
 * A copy with the schemas that are meant for readers, and with each titled schema once, in `components`.
 * @throws {Error} if two different schemas have the same title.
 */
export function withComponents<Document extends object>(document: Document): Document {
  const schemas = new Map<string, unknown>()
  const whole = referring(asShown(document), schemas) as Document
  const common = asNode(asNode(whole).components)
  return { ...whole, components: { ...common, schemas: { ...asNode(common.schemas), ...named(schemas) } } }
}

/** A copy of a schema as readers see it, whole: nothing of it is a reference. */
export function asShown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asShown)
  if (typeof value !== 'object' || value === null) return value
  if (SHOWN in value) return asShown(value[SHOWN])
  const entries = Object.entries(value).filter(([key]) => key !== FORM)
  return Object.fromEntries(entries.map(([key, inner]) => [key, asShown(inner)]))
}

/** A copy with references to `schemas` in place of titled ones. */
function referring(value: unknown, schemas: Map<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map(inner => referring(inner, schemas))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  const copy = Object.fromEntries(entries.map(([key, inner]) => [key, referring(inner, schemas)]))
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

interface Operation {
  responses?: object
  requestBody?: object
}

function operationsIn(paths: unknown): Operation[] {
  return Object.values(asNode(paths)).flatMap(operations =>
    METHODS.map(method => asNode(operations)[method] as Operation | undefined).filter(
      each => each !== undefined,
    ),
  )
}

function describeResponses(operation: Operation): void {
  const own = Object.entries(operation.responses ?? {}).map(([status, response]) => {
    const { description = UNDESCRIBED, ...rest } = asNode(response)
    const text = description === UNDESCRIBED ? (DESCRIPTIONS[status] ?? description) : description
    return [status, { description: text, ...rest }]
  })
  operation.responses = { ...Object.fromEntries(own), '4XX': PROBLEM, '5XX': PROBLEM }
}

/** Marks a body that may be null as optional: without a body the validator gets null. */
function describeBody(operation: Operation): void {
  if (operation.requestBody === undefined) return
  const { content, ...body } = asNode(operation.requestBody)
  const mayBeNull = Object.values(asNode(content)).some(media => typesOf(media).includes('null'))
  if (mayBeNull) operation.requestBody = { ...body, content, required: false }
}

function typesOf(media: unknown): unknown[] {
  return [asNode(asNode(media).schema).type].flat()
}

function asNode(value: unknown): Node {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
