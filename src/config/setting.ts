/**
 * One setting of the environment: the conversion of its text to a value, and the error for a text without a value.
 * Numbers are written in plain decimal digits: `0x50`, `1e3` and `true` are numbers to JavaScript, but probably not
 * what the author meant. Spaces around a value are ignored, except in secrets, which are used unchanged and never
 * shown.
 */
import Type, { type TSchema } from 'typebox'
import Value from 'typebox/value'
import { clean } from '../logging/redaction.js'

const DIGITS = /^\d+(\.\d+)?$/
const MAX_INTEGER = 2_147_483_647
const MAX_SHOWN_CHARACTERS = 80

/** The schema of one variable, as far as this file reads it. */
export interface Setting extends TSchema {
  readonly default?: unknown
  readonly description?: string
  /** The meaning of a pattern, in words. */
  readonly form?: string
  /** Whether a value could contain a password or a key. */
  readonly secret?: true
  readonly type?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly enum?: readonly string[]
  readonly const?: unknown
  readonly anyOf?: readonly Setting[]
}

/** A whole number; without its own maximum, up to the largest 32-bit integer. */
export const Whole = (options: {
  default: number
  minimum?: number
  maximum?: number
  description: string
}) => Type.Integer({ minimum: 0, maximum: MAX_INTEGER, ...options })

export const Switch = (options: { default: 'on' | 'off'; description: string }) =>
  Type.Enum(['on', 'off'], options)

/** The text without surrounding spaces; undefined if nothing is left, which is the same as unset. */
export function settingText(schema: Setting, given: string | undefined): string | undefined {
  const text = schema.secret ? given : given?.trim()
  return text === '' ? undefined : text
}

/** The value of a text; undefined if it has none. */
export function settingValue(schema: Setting, text: string): unknown {
  const candidates = DIGITS.test(text) ? [Number(text), text] : [text]
  return candidates.find(candidate => Value.Check(schema, candidate))
}

/** The error for a text without a value, with the remedy, in one line. */
export function settingFault(name: string, schema: Setting, text: string): string {
  const wrong = schema.secret
    ? 'is not of the right form; it may be secret, so it is not shown'
    : `is ${shown(text)}`
  const otherwise = schema.default === undefined ? ', or leave it out' : `; left out, it is ${schema.default}`
  return `${name} ${wrong}. Write ${wanted(schema)}${otherwise}. ${schema.description ?? ''}`.trimEnd()
}

function shown(text: string): string {
  const cut = text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text
  return clean(JSON.stringify(cut))
}

function wanted(schema: Setting): string {
  if (schema.form !== undefined) return schema.form
  if (schema.anyOf) return schema.anyOf.map(wanted).join(', or ')
  if (schema.enum)
    return schema.enum.length === 2 ? schema.enum.join(' or ') : `one of ${schema.enum.join(', ')}`
  if (schema.const !== undefined) return String(schema.const)
  const range = `from ${schema.minimum} to ${schema.maximum}`
  if (schema.type === 'integer') return `a whole number ${range}, in digits`
  if (schema.type === 'number') return `a number ${range}, in digits, such as 7 or 0.5`
  return `at least ${schema.minLength ?? 1} characters`
}
