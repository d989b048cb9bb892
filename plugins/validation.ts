/**
 * Validates requests against their schemas: bodies without coercion (a number is not a string, an unknown field is an
 * error, not dropped), parts of the URL and headers converted from text. Schemas of headers use lower-case names.
 */
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { Ajv, type AnySchema, type Options, type ValidateFunction } from 'ajv'
import ajvFormats from 'ajv-formats'
import type { FastifyInstance, FastifyRequest, FastifySchemaCompiler } from 'fastify'
import fp from 'fastify-plugin'
import Type from 'typebox'
import { invalidRequest } from '../src/http/request-faults.js'
import { FORM, SHOWN } from '../src/openapi/described.js'
import { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Parses a JSON text that a caller sent. */
    parseJson: JsonParser
  }
}

type JsonParser = (
  request: FastifyRequest,
  body: string,
  done: (error: Error | null, value?: unknown) => void,
) => void

type FastifyValidationResult = ReturnType<FastifySchemaCompiler<AnySchema>>

/**
 * Up to this number of values in a body every fault is listed; beyond it only the first one, or the list would be
 * larger than the body.
 */
const MAX_LISTED_VALUES = 200

const COMPILING: Options = {
  useDefaults: true,
  verbose: true,
  strictTypes: false,
  keywords: [SHOWN, FORM],
  meta: false,
  validateSchema: false,
}

const NO_PARAMETERS = Type.Object({}, { additionalProperties: false })

const PARTS = { body: 'body', querystring: 'query', params: 'path', headers: 'headers' } as const

export default fp(
  async app => {
    const body = compiler({ allErrors: false })
    const bodyInFull = compiler({ allErrors: true })
    // Node limits the head of a request to 16 KiB, and so the number of faults in it. Endless digits are coerced to
    // Infinity, for which strict numbers would skip every other check.
    const head = compiler({ allErrors: true, coerceTypes: 'array', strictNumbers: false })

    app.setValidatorCompiler<AnySchema>(({ schema, httpPart }) =>
      httpPart === 'body'
        ? bodyValidator(
            once(() => body(schema)),
            once(() => bodyInFull(schema)),
          )
        : headValidator(once(() => head(schema))),
    )
    app.setSchemaErrorFormatter((errors, part) => invalidRequest(errors, PARTS[part]))

    // A route without parameters gets an empty schema, so that a misspelt parameter is reported, not ignored.
    app.addHook('onRoute', ({ schema }) => {
      if (schema && !schema.hide) schema.querystring ??= NO_PARAMETERS
    })

    // A request without a body has no media type. If the type selects the schema, Fastify would validate nothing.
    app.addHook('preValidation', async ({ routeOptions, body }) => {
      const schema: unknown = routeOptions.schema?.body
      const isByType = typeof schema === 'object' && schema !== null && 'content' in schema
      if (isByType && (body === undefined || body === null)) throw bodyMissing()
    })

    app.decorate('parseJson', jsonParser(app))
    // A media type without a parser here gets a 415, even if the host application parses it. plugins/bodies.ts reads JSON.
    app.removeAllContentTypeParsers()
    // The host application may have set another serializer for its own routes.
    const serializer = SerializerSelector()({}, {})
    app.setSerializerCompiler(({ httpStatus = '', ...route }) => {
      const serialize = once(() => serializer({ ...route, httpStatus }))
      return value => serialize()(value)
    })
  },
  { name: 'validation' },
)

function bodyMissing(): Problem {
  const fault = { path: 'body', message: 'is missing' }
  return new Problem(400, 'invalid-request', 'body is missing.', { errors: [fault] })
}

/**
 * Ajv caches compiled schemas, so the same schema is compiled once. It does not validate the schemas, which are our own: for that it would
 * compile the schema of schemas, half of the CPU of the first request. The tests of the description of the API validate them.
 */
function compiler(options: Options): (schema: AnySchema) => ValidateFunction {
  const ajv = ajvFormats.default(new Ajv({ ...COMPILING, ...options }))
  return schema => ajv.compile(schema)
}

/** `make`, called for the first request that needs its result: to compile all schemas takes a tenth of a start. */
function once<T extends object>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

function headValidator(compiled: () => ValidateFunction): FastifyValidationResult {
  const check: FastifyValidationResult = value => {
    const validate = compiled()
    const valid = validate(value)
    check.errors = validate.errors ?? null
    return valid
  }
  return check
}

function bodyValidator(
  compiled: () => ValidateFunction,
  inFull: () => ValidateFunction,
): FastifyValidationResult {
  const check: FastifyValidationResult = value => {
    const validate = compiled()
    if (validate(value)) return true
    const listing = holdsAtMost(MAX_LISTED_VALUES, value) ? inFull() : validate
    listing(value)
    check.errors = listing.errors ?? null
    return false
  }
  return check
}

function holdsAtMost(most: number, value: unknown): boolean {
  const values = [value]
  for (const next of values) {
    if (values.length > most) return false
    if (typeof next === 'object' && next !== null) for (const inner of Object.values(next)) values.push(inner)
  }
  return true
}

/** Fastify's own parser, which refuses prototype poisoning, with separate errors for the two reasons. */
function jsonParser(app: FastifyInstance): JsonParser {
  const parse: JsonParser = app.getDefaultJsonParser('error', 'error')
  return (request, body, done) => {
    // Clients that set the type on every request also send it with a DELETE, which has no body.
    if (body === '' && request.method === 'DELETE') done(null)
    else parse(request, body, (error, value) => done(error && whyNot(body), value))
  }
}

function whyNot(body: string): Problem {
  if (body === '') return new Problem(400, 'invalid-json', 'The body is empty, but its type says JSON.')
  try {
    JSON.parse(body)
  } catch (error) {
    return new Problem(
      400,
      'invalid-json',
      `The body is not JSON: ${error instanceof Error ? error.message : ''}.`,
    )
  }
  return new Problem(
    400,
    'forbidden-key',
    'The body has a key `__proto__`, or `constructor` with `prototype`. Rename it.',
  )
}
