/**
 * The faults of a request, field by field: turns the validator's errors into sentences that name the field. They
 * never repeat the values.
 */
import { FORM } from '../openapi/described.js'
import { Problem } from '../problems/problem.js'

/** The formats of JSON Schema in words, with an example. */
const FORMATS: Readonly<Record<string, string>> = {
  uuid: 'must be a UUID, such as 7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22',
  'date-time': 'must be a time, such as 2026-01-31T12:00:00Z',
}
const MAX_FAULTS = 20
const MAX_PATH_LENGTH = 120

/** An error of Ajv, as far as this file reads it; `schema` and `parentSchema` come with `verbose`. */
export interface ValidationError {
  readonly keyword: string
  readonly instancePath: string
  readonly schemaPath: string
  readonly params: Readonly<Record<string, unknown>>
  readonly message?: string
  readonly schema?: unknown
  readonly parentSchema?: unknown
}

/** `path` is a part of the request and a field within it: `body/data`, `query/limit`. */
interface Fault {
  readonly path: string
  readonly message: string
}

/** @param part the validated part: `body`, `query`, `path` or `headers`. */
export function invalidRequest(errors: readonly ValidationError[], part: string): Problem {
  const unions = errors.filter(({ keyword }) => keyword === 'anyOf')
  const faults = errors
    // A failed branch of a condition adds nothing to the faults within that branch.
    .filter(error => error.keyword !== 'if')
    .filter(error => !unions.some(union => isNoise(error, union)))
    .slice(0, MAX_FAULTS)
    .map(error => faultOf(error, part))
  const detail = faults.slice(0, 3).map(fault => `${fault.path} ${fault.message}.`)
  return new Problem(400, 'invalid-request', detail.join(' '), { errors: faults })
}

/**
 * The reason why each branch of a union failed is noise beside the union's own error. If a value may be null, only the reason
 * why the other branch failed counts.
 */
function isNoise(error: ValidationError, union: ValidationError): boolean {
  const { schema, schemaPath } = union
  const isNullable = Array.isArray(schema) && schema.length === 2 && schema[1]?.type === 'null'
  return isNullable
    ? error === union || error.schemaPath.startsWith(`${schemaPath}/1/`)
    : error.schemaPath.startsWith(`${schemaPath}/`)
}

function faultOf(error: ValidationError, part: string): Fault {
  const { keyword, instancePath, params, schema, message } = error
  const path = `${part}${instancePath}`
  switch (keyword) {
    case 'additionalProperties':
      return { path: cut(`${path}/${params.additionalProperty}`), message: 'is not known here; remove it' }
    case 'required':
      return { path: cut(`${path}/${params.missingProperty}`), message: 'is missing' }
    case 'const':
      return { path: cut(path), message: `must be ${JSON.stringify(params.allowedValue)}` }
    case 'anyOf':
      return { path: cut(path), message: oneOf(schema) ?? 'has none of the allowed forms' }
    case 'pattern':
      return { path: cut(path), message: formOf(error.parentSchema) ?? message ?? 'is not valid' }
    case 'format':
      return { path: cut(path), message: FORMATS[String(params.format)] ?? message ?? 'is not valid' }
    default:
      return { path: cut(path), message: message ?? 'is not valid' }
  }
}

/** The form that the schema gives in words, because a pattern is hard to read. */
function formOf(schema: unknown): string | undefined {
  const form: unknown = Object(schema)[FORM]
  return typeof form === 'string' ? `must be ${form}` : undefined
}

/** The literals, if it is a union of literals. */
function oneOf(schema: unknown): string | undefined {
  if (!Array.isArray(schema) || !schema.every(branch => 'const' in branch)) return undefined
  return `must be one of ${schema.map(branch => JSON.stringify(branch.const)).join(', ')}`
}

/** A field's name may come from the caller, and may be as long as the body. */
function cut(path: string): string {
  return path.length <= MAX_PATH_LENGTH ? path : `${path.slice(0, MAX_PATH_LENGTH)}…`
}
