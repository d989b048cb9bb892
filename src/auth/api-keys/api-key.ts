/**
 * The one definition of an API key for its administration: the schemas that routes validate and serialise with, their types,
 * and the limits that migrations/0013_api_keys.sql enforces as well.
 */
import Type, { type Static } from 'typebox'
import { asLine, FORM } from '../../openapi/described.js'
import { OptionalGrants } from '../grants/grants.js'
import { ROLES } from '../principal.js'
import { KEY_ID_PATTERN } from './api-key-secret.js'

export const MAX_RANGES = 64
export const DEFAULT_OVERLAP_SECONDS = 86_400
export const MAX_OVERLAP_SECONDS = 30 * 86_400
/** Working keys per workspace; expired and revoked keys do not count. */
export const MAX_KEYS = 1_000
/** More keys, while the old keys of rotations still work: a workspace at its limit must be able to rotate all keys. */
export const MORE_FOR_ROTATIONS = 1_000

const Time = (description: string) =>
  Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description })

export const ApiKeyId = Type.String({
  pattern: KEY_ID_PATTERN,
  [FORM]: 'the part of the key between its underscores, such as 4tq0r8z1m2xk',
  description: 'The part of the key between its underscores; it is not secret.',
  examples: ['4tq0r8z1m2xk'],
})
const KeyRole = Type.Enum([...ROLES], { description: 'The role of callers with this key.' })
const KeyName = asLine(
  Type.String({
    minLength: 1,
    maxLength: 128,
    description: 'The purpose of the key, for people.',
    examples: ['nightly import'],
  }),
)
const ExpiresAt = Time('When the key expires. Null: never.')
const Range = Type.String({ maxLength: 64, examples: ['203.0.113.0/24', '2001:db8::/32', '198.51.100.7'] })
const AllowedIps = Type.Union([Type.Array(Range, { minItems: 1, maxItems: MAX_RANGES }), Type.Null()], {
  description: 'IP addresses and CIDR ranges from which the key is accepted. Null: from any address.',
})

export const NewApiKey = Type.Object(
  {
    name: KeyName,
    role: KeyRole,
    expires_at: Type.Optional(ExpiresAt),
    allowed_ips: Type.Optional(AllowedIps),
    grants: Type.Optional(OptionalGrants),
  },
  {
    additionalProperties: false,
    examples: [{ name: 'nightly import', role: 'editor', allowed_ips: ['203.0.113.0/24'] }],
  },
)
export type NewApiKey = Static<typeof NewApiKey>

export const KeyChange = Type.Object(
  { grants: OptionalGrants },
  { additionalProperties: false, examples: [{ grants: { subscribe: ['orders/*'] } }] },
)
export type KeyChange = Static<typeof KeyChange>

export const Rotation = Type.Object(
  {
    overlap: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_OVERLAP_SECONDS,
        description: `How long the old key still works, in seconds; 0 ends it at once. Default ${DEFAULT_OVERLAP_SECONDS}.`,
      }),
    ),
  },
  { additionalProperties: false, examples: [{ overlap: 3_600 }] },
)
export type Rotation = Static<typeof Rotation>

export const ApiKey = Type.Object(
  {
    id: ApiKeyId,
    prefix: Type.Union([Type.String(), Type.Null()], {
      description:
        'The first characters of a key that was imported from another system. Null: a key of this gateway.',
    }),
    name: KeyName,
    role: KeyRole,
    expires_at: ExpiresAt,
    allowed_ips: AllowedIps,
    grants: OptionalGrants,
    created_at: Type.String({ format: 'date-time' }),
    created_by: Type.String({ description: 'The principal that created the key.' }),
    last_used_at: Time('When the key was last used, to within a minute. Null: never.'),
    replaced_by: Type.Union([ApiKeyId, Type.Null()], {
      description: 'The id of the key that replaced this one in a rotation.',
    }),
    revoked_at: Time('When the key was revoked. Null: it is not revoked.'),
    revoked_by: Type.Union([Type.String(), Type.Null()], {
      description: 'The principal that revoked the key.',
    }),
  },
  { title: 'ApiKey' },
)
export type ApiKey = Static<typeof ApiKey>

export const CreatedApiKey = Type.Object({
  ...ApiKey.properties,
  key: Type.String({ description: 'The whole key, `slk_<id>_<secret>`. Only this response shows it.' }),
})
export type CreatedApiKey = Static<typeof CreatedApiKey>
