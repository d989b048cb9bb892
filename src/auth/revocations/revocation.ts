/**
 * The one definition of a revocation: the schemas that routes validate and serialise with, their types, and
 * the limits that migrations/0014_revocations.sql enforces as well.
 */
import Type, { type Static } from 'typebox'
import { asLine } from '../../openapi/described.js'
import { orNull } from '../../openapi/or-null.js'

/** The same rule as for `sub` of a token: no control characters and no lone surrogates. */
const Name = (description: string) => asLine(Type.String({ minLength: 1, maxLength: 256, description }))
const Reason = asLine(Type.String({ maxLength: 1_000, description: 'The reason, for people.' }))
const Time = Type.String({ format: 'date-time' })

export const RevocationId = Type.String({ format: 'uuid', description: 'The id of a revocation.' })

/** Exactly one of `subject`, `token_id` and `workspace`: `createRevocation` checks that, with a better message than a schema. */
export const NewRevocation = Type.Object(
  {
    subject: Type.Optional(Name('The id of a principal, all of whose credentials are revoked.')),
    token_id: Type.Optional(Name('The `jti` of one token, or the id of one API key.')),
    workspace: Type.Optional(
      Name('Your own workspace, all of whose credentials are revoked, including yours.'),
    ),
    reason: Type.Optional(Reason),
    expires_at: Type.Optional({
      ...Time,
      description: 'When the revocation ends. Default: it lasts until it is removed.',
    }),
  },
  { additionalProperties: false, examples: [{ subject: 'ada', reason: 'Left the company' }] },
)
export type NewRevocation = Static<typeof NewRevocation>

export const Revocation = Type.Object(
  {
    id: RevocationId,
    subject: orNull(Type.String()),
    token_id: orNull(Type.String()),
    workspace: Type.String(),
    at: { ...Time, description: 'Credentials that were issued after this time are not revoked.' },
    by: Type.String({ description: 'The principal that made the revocation.' }),
    reason: orNull(Type.String()),
    expires_at: orNull(Time),
  },
  { title: 'Revocation' },
)
export type Revocation = Static<typeof Revocation>
