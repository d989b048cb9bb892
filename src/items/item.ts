/**
 * Items and revisions, defined once: the schemas with which routes validate and serialise, the types derived from
 * them, and their limits.
 */
import Type, { type Static } from 'typebox'
import { FORM } from '../openapi/described.js'

export const MAX_PROPERTIES_BYTES = 64 * 1024
export const MAX_PROPERTIES_DEPTH = 32

/** Starts with a letter or digit, because clients remove `.` and `..` from a URL's path (RFC 3986 §5.2.4). */
export const PART_NUMBER_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'

/** The comment of revision 1, which is created with the item. */
export const FIRST_COMMENT = 'Created'

export const PartNumber = Type.String({
  pattern: PART_NUMBER_PATTERN,
  [FORM]: 'a letter or digit and up to 63 characters of A-Z a-z 0-9 . _ -',
  description: 'Unique in the workspace: 1 to 64 letters, digits, `.`, `_` and `-`; case matters.',
  examples: ['A01-0002'],
})
const Description = Type.String({ minLength: 1, maxLength: 2_000, examples: ['Bracket, left'] })
const Comment = Type.String({ minLength: 1, maxLength: 2_000, examples: ['Hole pattern moved by 2 mm'] })
export const ItemType = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'The type of an item.',
  examples: ['part'],
})

// A bare Record serialises the keys that match /^.*$/ and drops those with a line break.
const Properties = Type.Record(Type.String(), Type.Unknown(), {
  additionalProperties: true,
  description: `A JSON object of at most ${MAX_PROPERTIES_BYTES} bytes and ${MAX_PROPERTIES_DEPTH} levels.`,
  examples: [{ material: 'S235', mass_kg: 1.25 }],
})

const RevisionNumber = Type.Integer({ minimum: 1, description: 'An item is created at revision 1.' })
const Time = Type.String({ format: 'date-time' })

export const Item = Type.Object(
  {
    part_number: PartNumber,
    description: Description,
    item_type: ItemType,
    properties: Properties,
    revision: RevisionNumber,
    created_at: Time,
    updated_at: Time,
    etag: Type.String({
      description: 'The ETag of the item, for If-Match; it changes with every change of the item.',
    }),
  },
  { title: 'Item' },
)
export type Item = Static<typeof Item>

export const NewItem = Type.Object(
  {
    part_number: PartNumber,
    description: Description,
    item_type: ItemType,
    properties: Type.Optional(Properties),
  },
  {
    additionalProperties: false,
    examples: [{ part_number: 'A01-0002', description: 'Bracket, left', item_type: 'part' }],
  },
)
export type NewItem = Static<typeof NewItem>

/** Each given field replaces the stored one; `properties` is replaced as a whole. */
export const ItemPatch = Type.Object(
  {
    description: Type.Optional(Description),
    item_type: Type.Optional(ItemType),
    properties: Type.Optional(Properties),
  },
  { additionalProperties: false, minProperties: 1, examples: [{ description: 'Bracket, right' }] },
)
export type ItemPatch = Static<typeof ItemPatch>

export const Revision = Type.Object(
  {
    part_number: PartNumber,
    revision_number: RevisionNumber,
    comment: Comment,
    properties: Properties,
    actor: Type.String({ description: 'The principal that released it.' }),
    at: Time,
  },
  { title: 'Revision' },
)
export type Revision = Static<typeof Revision>

/** If given, `properties` replaces the item's; the revision stores the item's properties at that time. */
export const NewRevision = Type.Object(
  { comment: Comment, properties: Type.Optional(Properties) },
  { additionalProperties: false, examples: [{ comment: 'Hole pattern moved by 2 mm' }] },
)
export type NewRevision = Static<typeof NewRevision>
