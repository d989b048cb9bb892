/** The bodies of requests and answers (protocol §6, §7). */
import Type, { type Static } from 'typebox'
import { StreamName } from '../../log/event.js'
import { asLine, FORM } from '../../openapi/described.js'
import { orNull } from '../../openapi/or-null.js'
import { formatOffset } from '../reading/offset.js'
import {
  DEFAULT_LEASE_MS,
  MAX_EXPLICIT_LINKS,
  MAX_LEASE_MS,
  MIN_LEASE_MS,
  type StreamLink,
  SUBSCRIPTION_TYPES,
  type Subscription,
  type WokenStream,
} from './subscription.js'

/** No `/`, so that no path needs it encoded. */
export const SubscriptionId = Type.String({
  pattern: '^[A-Za-z0-9._~-]{1,128}$',
  [FORM]: '1 to 128 characters of A-Z a-z 0-9 . _ ~ -',
  description: 'The id of the subscription, which the client chooses.',
  examples: ['sub-1'],
})
const Path = Type.Unsafe<string>({ ...StreamName, description: 'The path of a stream below the prefix.' })
const Offset = Type.String({ maxLength: 64, description: 'An offset, as reads of the stream return it.' })
const Streams = Type.Array(Path, { maxItems: MAX_EXPLICIT_LINKS })

export const NewSubscription = Type.Object(
  {
    type: Type.Enum([...SUBSCRIPTION_TYPES], { description: 'How workers are woken.' }),
    pattern: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'A pattern of paths: `*` matches one segment, `**` any number of segments.',
      }),
    ),
    streams: Type.Optional({ ...Streams, description: 'Paths of streams, besides the pattern.' }),
    webhook: Type.Optional(
      Type.Object(
        { url: Type.String({ minLength: 1, maxLength: 2_048, description: 'The URL that receives wakes.' }) },
        { additionalProperties: false },
      ),
    ),
    wake_stream: Type.Optional({
      ...Path,
      description: 'For `pull-wake`: an existing stream, to which wakes are written.',
    }),
    lease_ttl_ms: Type.Optional(
      Type.Integer({
        minimum: MIN_LEASE_MS,
        maximum: MAX_LEASE_MS,
        default: DEFAULT_LEASE_MS,
        description: 'How long a worker may be silent, in milliseconds.',
      }),
    ),
    description: Type.Optional(asLine(Type.String({ maxLength: 1_000, description: 'A text for people.' }))),
  },
  {
    title: 'NewSubscription',
    additionalProperties: false,
    examples: [{ type: 'webhook', pattern: 'orders/*', webhook: { url: 'https://worker.example.com/hook' } }],
  },
)
export type NewSubscription = Static<typeof NewSubscription>

const LinkType = Type.Enum(['glob', 'explicit'], {
  description: '`explicit` if it was added by its path, also if the pattern matches it.',
})
const LinkedStream = Type.Object({
  path: Type.String(),
  link_type: LinkType,
  acked_offset: Type.String({ description: 'The offset up to which the stream was processed.' }),
})
const SnapshotStream = Type.Object({
  ...LinkedStream.properties,
  tail_offset: Type.String({ description: 'The end of the stream.' }),
  has_pending: Type.Boolean(),
})
export const SubscriptionDocument = Type.Object(
  {
    id: Type.String(),
    subscription_id: Type.String({ description: 'The same as `id`.' }),
    type: Type.Enum([...SUBSCRIPTION_TYPES]),
    pattern: orNull(Type.String()),
    streams: Type.Array(LinkedStream),
    webhook: orNull(
      Type.Object({
        url: Type.String(),
        signing: Type.Object({ alg: Type.Literal('ed25519'), kid: Type.String(), jwks_url: Type.String() }),
      }),
    ),
    wake_stream: orNull(Type.String()),
    lease_ttl_ms: Type.Integer(),
    created_at: Type.String({ format: 'date-time' }),
    status: Type.Enum(['active', 'failed'], { description: '`failed` while a retry waits.' }),
    description: orNull(Type.String()),
  },
  { description: 'The subscription as it is now.' },
)
export type SubscriptionDocument = Static<typeof SubscriptionDocument>

export const StreamLinks = Type.Object(
  { streams: Streams },
  { additionalProperties: false, examples: [{ streams: ['orders/7'] }] },
)

const Generation = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'The number of the wake.',
})
const WakeId = asLine(Type.String({ minLength: 1, maxLength: 64, description: 'The id of the wake.' }))
export const WakeReference = Type.Object(
  { wake_id: WakeId, generation: Generation },
  { additionalProperties: false, examples: [{ wake_id: 'w_1f2e3d4c', generation: 7 }] },
)
export const Acknowledgement = Type.Object(
  {
    wake_id: WakeId,
    generation: Generation,
    acks: Type.Optional(
      Type.Array(Type.Object({ stream: Path, offset: Offset }, { additionalProperties: false }), {
        maxItems: 10_000,
        description: 'The last processed offset of each stream.',
      }),
    ),
    done: Type.Optional(
      Type.Boolean({ description: 'Ends the wake. Without it, the lease is extended. Default false.' }),
    ),
  },
  {
    title: 'WakeAcknowledgement',
    additionalProperties: false,
    examples: [
      {
        wake_id: 'w_1f2e3d4c',
        generation: 7,
        acks: [{ stream: 'orders/7', offset: '0000000000000042' }],
        done: true,
      },
    ],
  },
)
export type Acknowledgement = Static<typeof Acknowledgement>
export const Acknowledged = Type.Object(
  {
    ok: Type.Literal(true),
    next_wake: Type.Boolean({ description: 'Whether work is pending, so that another wake follows.' }),
  },
  { description: 'Acknowledged.' },
)
export const ClaimRequest = Type.Object(
  { worker: asLine(Type.String({ minLength: 1, maxLength: 200, description: 'The name of the worker.' })) },
  { additionalProperties: false, examples: [{ worker: 'worker-1' }] },
)
export const Claimed = Type.Object(
  {
    wake_id: Type.String(),
    generation: Type.Integer(),
    token: Type.String({ description: 'The bearer token for `ack` and `release`.' }),
    streams: Type.Array(SnapshotStream),
    lease_ttl_ms: Type.Integer(),
  },
  { description: 'The worker holds the subscription until its lease ends.' },
)
export const JsonWebKeys = Type.Object(
  {
    keys: Type.Array(
      Type.Object({
        kty: Type.String(),
        crv: Type.String(),
        kid: Type.String(),
        use: Type.String(),
        alg: Type.String(),
        x: Type.String(),
      }),
    ),
  },
  { description: 'The public keys of the signatures (RFC 7517).' },
)

export function subscriptionDocument(
  subscription: Subscription,
  links: readonly StreamLink[],
  keyId: string,
): SubscriptionDocument {
  const { id, type, pattern, url, baseUrl, wakeStream, leaseTtlMs, createdAt, failed, description } =
    subscription
  return {
    ...{ id, subscription_id: id, type, pattern },
    streams: links.map(linkedStream),
    webhook:
      url === null
        ? null
        : { url, signing: { alg: 'ed25519', kid: keyId, jwks_url: `${baseUrl}/__ds/jwks.json` } },
    wake_stream: wakeStream,
    lease_ttl_ms: leaseTtlMs,
    created_at: createdAt.toISOString(),
    status: failed ? 'failed' : 'active',
    description,
  }
}

export function snapshotStream(stream: WokenStream): Static<typeof SnapshotStream> {
  const { tail, acked } = stream
  return { ...linkedStream(stream), tail_offset: formatOffset(tail), has_pending: tail > acked }
}

function linkedStream({ path, explicit, acked }: StreamLink): Static<typeof LinkedStream> {
  return { path, link_type: explicit ? 'explicit' : 'glob', acked_offset: formatOffset(acked) }
}
