/**
 * What a revocation is, once: the schemas that routes validate and serialise with, the types that come from them, and
 * the limits that migrations/0014_revocations.sql enforces as well.
 */
import Type, { type Static } from 'typebox'
import { asLine } from '../../openapi/described.js'

/** As what a token may have for `sub`: no control characters and no halves of characters. */
const Name = (description: string) => asLine(Type.String({ minLength: 1, maxLength: 256, description }))
const Reason = asLine(Type.String({ maxLength: 1_000, description: 'Why, for people.' }))
const Time = Type.String({ format: 'date-time' })
const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

export const RevocationId = Type.String({ format: 'uuid' })

/** Exactly one of `subject`, `token_id` and `workspace`: what no schema says well, `createRevocation` checks. */
export const NewRevocation = Type.Object(
  {
    subject: Type.Optional(Name('The id of a principal: all its credentials of before.')),
    token_id: Type.Optional(Name('The `jti` of a token, or the id of an API key: that one alone.')),
    workspace: Type.Optional(Name('Your own workspace: all credentials of before in it, yours too.')),
    reason: Type.Optional(Reason),
    expires_at: Type.Optional({
      ...Time,
      description: 'From then on it does nothing. Default: it stays until it is deleted.',
    }),
  },
  { additionalProperties: false },
)
export type NewRevocation = Static<typeof NewRevocation>

export const Revocation = Type.Object(
  {
    id: RevocationId,
    subject: orNull(Type.String()),
    token_id: orNull(Type.String()),
    workspace: Type.String(),
    at: { ...Time, description: 'What was issued after this is not concerned.' },
    by: Type.String({ description: 'The principal who revoked.' }),
    reason: orNull(Type.String()),
    expires_at: orNull(Time),
  },
  { title: 'Revocation' },
)
export type Revocation = Static<typeof Revocation>
