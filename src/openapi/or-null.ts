/** A value that may be null, as OpenAPI 3.1 describes it. */
import Type, { type TSchema } from 'typebox'

export function orNull<Schema extends TSchema>(schema: Schema, description?: string) {
  return Type.Union([schema, Type.Null()], description === undefined ? {} : { description })
}
