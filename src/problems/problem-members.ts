/**
 * The members that a problem document may have besides those of RFC 9457 (§3.2). A new one is added here: then it may be
 * given to a Problem, and the API's description shows it.
 */
import Type, { type Static } from 'typebox'

export const ProblemMembers = Type.Object({
  retry_after: Type.Optional(Type.Integer({ description: 'Seconds to wait before the same request again.' })),
  errors: Type.Optional(
    Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
      description: 'With `invalid-request`: each field at fault, such as `body/data` or `query/limit`.',
    }),
  ),
  etag: Type.Optional(
    Type.String({ description: 'With `precondition-failed`: the current ETag of the item.' }),
  ),
  earliest: Type.Optional(
    Type.String({ description: 'With 410: the event id after which everything is still stored.' }),
  ),
  head: Type.Optional(
    Type.String({ description: 'With 410 and `head-differs`: the event id of the newest event.' }),
  ),
  line: Type.Optional(
    Type.Integer({ description: 'Of an upload: the first line that was not stored, counted from 1.' }),
  ),
  position: Type.Optional(
    Type.Integer({ description: 'With `invalid-where`: the character of the fault, counted from 1.' }),
  ),
  stored: Type.Optional(
    Type.Integer({ description: 'Of an upload: how many events were stored before it.' }),
  ),
  limit: Type.Optional(
    Type.Enum(['principal', 'workspace', 'address'], {
      description: 'With `stream-unavailable`: whose limit of open streams was reached.',
    }),
  ),
  quota: Type.Optional(
    Type.Enum(['events', 'bytes', 'jobs'], {
      description: 'With `workspace-full`: which limit of the workspace was reached.',
    }),
  ),
  database: Type.Optional(
    Type.String({ description: 'Why the database cannot serve, such as `read-only`.' }),
  ),
  error: Type.Optional(
    Type.Object(
      {
        code: Type.String({ description: 'The code of the protocol, such as `FENCED`.' }),
        message: Type.String(),
        current_holder: Type.Optional(
          Type.String({ description: 'The worker that holds the subscription.' }),
        ),
        generation: Type.Optional(Type.Integer({ description: 'The present generation.' })),
      },
      { description: 'Of the subscriptions of Durable Streams: the error as the protocol writes it.' },
    ),
  ),
  replaced_by: Type.Optional(
    Type.String({ description: 'With `key-rotated`: the id of the key that replaced this one.' }),
  ),
})
export type ProblemMembers = Readonly<Static<typeof ProblemMembers>>
