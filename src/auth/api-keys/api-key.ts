/**
 * What an API key is to those who administer keys, once: the schemas that routes validate and serialise with, the types
 * that come from them, and the limits that migrations/0013_api_keys.sql enforces as well.
 */
import Type, { type Static } from 'typebox'
import { asLine } from '../../openapi/described.js'
import { ROLES } from '../principal.js'
import { KEY_ID_PATTERN } from './api-key-secret.js'

export const MAX_RANGES = 64
export const DEFAULT_OVERLAP_SECONDS = 86_400
export const MAX_OVERLAP_SECONDS = 30 * 86_400
/** Keys of a workspace that work; ended ones do not count. */
export const MAX_KEYS = 1_000
/** So many more while the old keys of rotations still work: whoever has all keys must be able to rotate them. */
export const MORE_FOR_ROTATIONS = 1_000

const Time = (description: string) =>
  Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description })

export const ApiKeyId = Type.String({
  pattern: KEY_ID_PATTERN,
  description: 'The part of the key between its underscores; public.',
  examples: ['4tq0r8z1m2xk'],
})
const KeyRole = Type.Enum([...ROLES], { description: 'What its holder may do.' })
const KeyName = asLine(
  Type.String({
    minLength: 1,
    maxLength: 128,
    description: 'What it is for, to people.',
    examples: ['nightly import'],
  }),
)
const ExpiresAt = Time('From then on it is refused. Null: never.')
const Range = Type.String({ maxLength: 64, examples: ['203.0.113.0/24', '2001:db8::/32', '198.51.100.7'] })
const AllowedIps = Type.Union([Type.Array(Range, { minItems: 1, maxItems: MAX_RANGES }), Type.Null()], {
  description: 'Addresses and CIDR ranges that it is taken from. Null: from anywhere.',
})

export const NewApiKey = Type.Object(
  {
    name: KeyName,
    role: KeyRole,
    expires_at: Type.Optional(ExpiresAt),
    allowed_ips: Type.Optional(AllowedIps),
  },
  { additionalProperties: false },
)
export type NewApiKey = Static<typeof NewApiKey>

export const Rotation = Type.Object(
  {
    overlap: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_OVERLAP_SECONDS,
        description: `Seconds for which the old key works too; 0 ends it at once. Default ${DEFAULT_OVERLAP_SECONDS}.`,
      }),
    ),
  },
  { additionalProperties: false },
)
export type Rotation = Static<typeof Rotation>

export const ApiKey = Type.Object(
  {
    id: ApiKeyId,
    name: KeyName,
    role: KeyRole,
    expires_at: ExpiresAt,
    allowed_ips: AllowedIps,
    created_at: Type.String({ format: 'date-time' }),
    created_by: Type.String({ description: 'The principal who made it.' }),
    last_used_at: Time('True to within a minute. Null: not used yet.'),
    replaced_by: Type.Union([ApiKeyId, Type.Null()], {
      description: 'The key that took over by a rotation.',
    }),
    revoked_at: Time('When it was revoked. Null: it was not.'),
    revoked_by: Type.Union([Type.String(), Type.Null()], { description: 'The principal who revoked it.' }),
  },
  { title: 'ApiKey' },
)
export type ApiKey = Static<typeof ApiKey>

export const CreatedApiKey = Type.Object({
  ...ApiKey.properties,
  key: Type.String({ description: 'The whole key, `slk_<id>_<secret>`. It is shown this once.' }),
})
export type CreatedApiKey = Static<typeof CreatedApiKey>
