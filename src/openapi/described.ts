/**
 * Schemas whose description differs from what validates. A validator may use keywords that give better errors, or regular
 * expressions that only JavaScript takes; a generator of clients needs plain unions and patterns that every engine takes.
 */
import type { TSchema } from 'typebox'

/** The keyword that holds the schema to show in the API's description. Validators ignore it. */
export const SHOWN = 'x-openapi'

/** `schema`, shown in the description as `shown`. Both must accept the same values, except where text cannot say so. */
export function describedAs<Schema extends TSchema>(schema: Schema, shown: object): Schema {
  return { ...schema, [SHOWN]: shown }
}

/** One line of text in JavaScript: neither control characters nor lone surrogates, which have no UTF-8 form. */
const LINE_PATTERN = '^[^\\p{Cc}\\p{Cs}]*$'
/** The same for engines that know no classes of Unicode. Their strings hold no lone surrogates. */
const PORTABLE_LINE_PATTERN = '^[^\\x00-\\x1F\\x7F-\\x9F]*$'

/** A schema of strings with LINE_PATTERN. */
export function asLine<Schema extends TSchema>(schema: Schema): Schema {
  const line = { ...schema, pattern: LINE_PATTERN }
  return describedAs(line, { ...line, pattern: PORTABLE_LINE_PATTERN })
}
