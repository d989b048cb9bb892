/** The values that members of a history have. */
import Type from 'typebox'

/** Milliseconds, of one clock. */
export const Time = Type.Number()
export const Name = Type.String({ minLength: 1 })
/** See fingerprint.ts. */
export const Hash = Type.String({ pattern: '^[0-9a-f]{12}$' })
/** `<workspace>/<stream>`. */
export const Stream = Type.String({ pattern: '^[^/]+/.+$' })
