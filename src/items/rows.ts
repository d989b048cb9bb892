/** The statements on sluice.items and sluice.item_revisions, one per function. The transaction is the caller's. */
import { withIsoDates } from '../database/iso-dates.js'
import type { WorkspaceClient } from '../database/workspace.js'
import { formatETag } from './etag.js'
import type { Item, NewItem, Revision } from './item.js'

const ITEM = 'part_number, description, item_type, properties, revision, version, created_at, updated_at'
const REVISION = 'part_number, revision_number, comment, properties, actor, at'

/** `json` arrives as text (src/database/pool.ts). */
interface ItemRow extends Omit<Item, 'etag' | 'properties' | 'created_at' | 'updated_at'> {
  readonly properties: string
  readonly version: string
  readonly created_at: Date
  readonly updated_at: Date
}

interface RevisionRow extends Omit<Revision, 'properties' | 'at'> {
  readonly properties: string
  readonly at: Date
}

/** The filters of a list of items; `undefined` does not filter. */
export interface ItemFilter {
  readonly item_type?: string | undefined
  /** Matches anywhere in the part number or the description, ignoring case; no character is special. */
  readonly search?: string | undefined
}

/** Undefined if the part number is taken. */
export async function insertItem(
  client: WorkspaceClient,
  workspace: string,
  item: Required<NewItem>,
): Promise<Item | undefined> {
  const { rows } = await client.query<ItemRow>(
    `insert into sluice.items (workspace, part_number, description, item_type, properties, folded)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (workspace, part_number) do nothing
     returning ${ITEM}`,
    [workspace, ...columnsOf(item)],
  )
  return rows.map(toItem)[0]
}

export async function selectItem(
  client: WorkspaceClient,
  workspace: string,
  partNumber: string,
): Promise<Item | undefined> {
  const { rows } = await client.query<ItemRow>(
    `select ${ITEM} from sluice.items where workspace = $1 and part_number = $2`,
    [workspace, partNumber],
  )
  return rows.map(toItem)[0]
}

/** As `selectItem`, and locks the item until the transaction ends. */
export async function lockItem(
  client: WorkspaceClient,
  workspace: string,
  partNumber: string,
): Promise<Item | undefined> {
  const { rows } = await client.query<ItemRow>(
    `select ${ITEM} from sluice.items where workspace = $1 and part_number = $2 for update`,
    [workspace, partNumber],
  )
  return rows.map(toItem)[0]
}

/** In the order of part numbers, starting after `after`. */
export async function selectItems(
  client: WorkspaceClient,
  workspace: string,
  after: string,
  limit: number,
  filter: ItemFilter,
): Promise<Item[]> {
  const { rows } = await client.query<ItemRow>(
    `select ${ITEM}
     from sluice.items
     where workspace = $1 and part_number > $2
       and ($4::text is null or item_type = $4)
       and ($5::text is null or strpos(folded, $5) > 0)
     order by part_number
     limit $3`,
    [
      workspace,
      after,
      limit,
      filter.item_type,
      filter.search === undefined ? undefined : fold(filter.search),
    ],
  )
  return rows.map(toItem)
}

/** Stores the fields and the revision of an item that the transaction has locked. */
export async function updateItem(client: WorkspaceClient, workspace: string, item: Item): Promise<Item> {
  const { rows } = await client.query<ItemRow>(
    `update sluice.items
     set description = $3, item_type = $4, properties = $5, folded = $6, revision = $7,
         version = gen_random_uuid(), updated_at = clock_timestamp()
     where workspace = $1 and part_number = $2
     returning ${ITEM}`,
    [workspace, ...columnsOf(item), item.revision],
  )
  return only(rows.map(toItem))
}

/** Deletes its revisions too. */
export async function deleteItem(
  client: WorkspaceClient,
  workspace: string,
  partNumber: string,
): Promise<void> {
  await client.query('delete from sluice.items where workspace = $1 and part_number = $2', [
    workspace,
    partNumber,
  ])
}

/** Stores the item's current content under its revision number. */
export async function insertRevision(
  client: WorkspaceClient,
  workspace: string,
  item: Item,
  comment: string,
  actor: string,
): Promise<Revision> {
  const { rows } = await client.query<RevisionRow>(
    `insert into sluice.item_revisions
       (workspace, part_number, revision_number, comment, properties, actor)
     values ($1, $2, $3, $4, $5, $6)
     returning ${REVISION}`,
    [workspace, item.part_number, item.revision, comment, JSON.stringify(item.properties), actor],
  )
  return only(rows.map(toRevision))
}

/** Newest first, starting below `below`. */
export async function selectRevisions(
  client: WorkspaceClient,
  workspace: string,
  partNumber: string,
  below: string,
  limit: number,
): Promise<Revision[]> {
  const { rows } = await client.query<RevisionRow>(
    `select ${REVISION}
     from sluice.item_revisions
     where workspace = $1 and part_number = $2 and revision_number < $3::bigint
     order by revision_number desc
     limit $4`,
    [workspace, partNumber, below, limit],
  )
  return rows.map(toRevision)
}

function columnsOf(item: Required<NewItem>): string[] {
  const { part_number, description, item_type, properties } = item
  return [
    part_number,
    description,
    item_type,
    JSON.stringify(properties),
    fold(`${part_number}\n${description}`),
  ]
}

/** One form for all spellings that a person considers equal: composed (NFC) and in lower case. */
function fold(text: string): string {
  return text.normalize('NFC').toLowerCase()
}

function toItem({ properties, version, ...row }: ItemRow): Item {
  return { ...withIsoDates(row), properties: JSON.parse(properties), etag: formatETag(version) }
}

function toRevision({ properties, ...row }: RevisionRow): Revision {
  return { ...withIsoDates(row), properties: JSON.parse(properties) }
}

function only<T>(rows: readonly T[]): T {
  const [row] = rows
  if (row === undefined) throw new Error('A statement that writes one row gave none back.')
  return row
}
