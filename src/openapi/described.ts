/**
 * Schemas that are described in another form than they are validated in. A validator may use keywords that give better errors,
 * or regular expressions that only JavaScript supports; client generators need plain unions and portable patterns.
 */
import type { TSchema } from 'typebox'

/** The keyword whose value is the schema that the API's description shows. Validators ignore it. */
export const SHOWN = 'x-openapi'

/** The keyword that says in words which texts a pattern accepts, for the error. Validators and the API's description ignore it. */
export const FORM = 'x-form'

/** Text that a database and an environment can hold. */
export const WITHOUT_NULL = { pattern: '^[^\\x00]*$', [FORM]: 'text without U+0000' } as const

/** `schema`, described as `shown`. Both accept the same values, as far as a portable schema can express it. */
export function describedAs<Schema extends TSchema>(schema: Schema, shown: object): Schema {
  return { ...schema, [SHOWN]: shown }
}

/** One line of text in JavaScript: neither control characters nor lone surrogates, which have no UTF-8 form. */
const LINE_PATTERN = '^[^\\p{Cc}\\p{Cs}]*$'
/** LINE_PATTERN for engines without Unicode classes, whose strings contain no lone surrogates. */
const PORTABLE_LINE_PATTERN = '^[^\\x00-\\x1F\\x7F-\\x9F]*$'

/** A schema of strings with LINE_PATTERN. */
export function asLine<Schema extends TSchema>(schema: Schema): Schema {
  const line = { ...schema, pattern: LINE_PATTERN, [FORM]: 'one line of text, without control characters' }
  return describedAs(line, { ...line, pattern: PORTABLE_LINE_PATTERN })
}
