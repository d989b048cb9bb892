/**
 * The items of all workspaces. A change commits together with its event, and only then announces the grown feed (I1,
 * I2); a read is one snapshot with the feed's head; both are confined to the given workspace (I7).
 */
import { reachOf } from '../auth/grants/reach.js'
import type { Author, Principal } from '../auth/principal.js'
import type { Database } from '../database/pool.js'
import type { WorkspaceClient } from '../database/workspace.js'
import type { Committed } from '../log/committed.js'
import type { BuiltInEvent } from '../log/event-catalogue.js'
import { readSnapshot, type Snapshot } from '../log/feed-snapshot.js'
import { cutPage, formatCursor, parseCursor } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import { notFound, Problem } from '../problems/problem.js'
import type { EventTracing } from '../tracing/event-tracing.js'
import { type Change, commitChange } from './change.js'
import { requireStorable } from './content.js'
import { ifMatchHolds } from './etag.js'
import {
  FIRST_COMMENT,
  type Item,
  type ItemPatch,
  type NewItem,
  type NewRevision,
  PART_NUMBER_PATTERN,
  type Revision,
} from './item.js'
import * as rows from './rows.js'

const PART_NUMBER = new RegExp(PART_NUMBER_PATTERN)
const REVISION_NUMBER = /^[1-9][0-9]{0,9}$/
const BEFORE_EVERY_PART_NUMBER = ''
const ABOVE_EVERY_REVISION = String(2 ** 31)

export interface ItemsOptions {
  readonly database: Database
  /** Called before a change, with the number of its events. @throws {Problem} if the workspace may not store it. */
  admit?(workspace: string, events: number): Promise<void>
  /** Called after COMMIT with the events. Must not throw. */
  readonly onCommitted: (committed: readonly Committed[]) => void
  /** Undefined: the process takes part in no traces. */
  readonly tracing?: EventTracing | undefined
}

/** A caller that reads: without grants it reads all items of its workspace. */
export type Reader = Pick<Principal, 'workspace' | 'grants'>

/** A page of items. `next_cursor` is null on the last page. */
export interface ItemPage {
  readonly items: Item[]
  readonly next_cursor: string | null
}

export interface RevisionPage {
  readonly revisions: Revision[]
  readonly next_cursor: string | null
}

export class Items {
  readonly #database: Database
  readonly #onCommitted: ItemsOptions['onCommitted']
  readonly #tracing: ItemsOptions['tracing']
  readonly #admit: ItemsOptions['admit']

  constructor({ database, onCommitted, tracing, admit }: ItemsOptions) {
    this.#database = database
    this.#onCommitted = onCommitted
    this.#tracing = tracing
    this.#admit = admit
  }

  /** @throws {Problem} 409 `item-exists` if the part number is taken; 400 for content that cannot be stored. */
  async create(author: Author, given: NewItem): Promise<Item> {
    requireStorable(given)
    return this.#write(author, async client => {
      const item = await rows.insertItem(client, author.workspace, { properties: {}, ...given })
      if (item === undefined) throw itemExists(given.part_number)
      await rows.insertRevision(client, author.workspace, item, FIRST_COMMENT, author.id)
      const { part_number, description, item_type } = item
      return {
        result: item,
        events: [{ type: 'item.created', data: { part_number, description, item_type } }],
      }
    })
  }

  /**
   * @param ifMatch the If-Match header; without it the last write wins.
   * @throws {Problem} 404 `not-found`; 412 `precondition-failed` with the current `etag`; 400 for content that cannot
   *   be stored.
   */
  async update(author: Author, partNumber: string, patch: ItemPatch, ifMatch?: string): Promise<Item> {
    requireStorable(patch)
    return this.#write(author, async client => {
      const current = await lockItem(client, author, partNumber, ifMatch)
      const item = await rows.updateItem(client, author.workspace, { ...current, ...patch })
      return { result: item, events: [itemUpdated(item)] }
    })
  }

  /** Releases the item under its next revision number. Parameters and errors as for `update`. */
  async revise(author: Author, partNumber: string, given: NewRevision, ifMatch?: string): Promise<Revision> {
    requireStorable(given)
    const { comment, ...patch } = given
    const make = async (client: WorkspaceClient): Promise<Change<Revision>> => {
      const current = await lockItem(client, author, partNumber, ifMatch)
      const next = { ...current, ...patch, revision: current.revision + 1 }
      const item = await rows.updateItem(client, author.workspace, next)
      const revision = await rows.insertRevision(client, author.workspace, item, comment, author.id)
      const { part_number, revision_number } = revision
      const data = { part_number, revision_number, comment }
      return { result: revision, events: [{ type: 'revision.created', data }, itemUpdated(item)] }
    }
    return this.#write(author, make, 2)
  }

  /** Parameters and errors as for `update`. */
  async delete(author: Author, partNumber: string, ifMatch?: string): Promise<void> {
    return this.#write(author, async client => {
      await lockItem(client, author, partNumber, ifMatch)
      await rows.deleteItem(client, author.workspace, partNumber)
      return { result: undefined, events: [{ type: 'item.deleted', data: { part_number: partNumber } }] }
    })
  }

  /** @throws {Problem} 404 `not-found`. */
  async get(reader: Reader, partNumber: string): Promise<Snapshot<Item>> {
    return readSnapshot(this.#database, reachOf(reader), async client => {
      const item = await rows.selectItem(client, reader.workspace, partNumber)
      if (item === undefined) throw notFound('item')
      return item
    })
  }

  /** @throws {Problem} 400 `invalid-cursor`, `invalid-text`. */
  async list(reader: Reader, request: PageRequest & rows.ItemFilter): Promise<Snapshot<ItemPage>> {
    const { limit, cursor, ...filter } = request
    requireStorable(filter)
    const after = cursor === undefined ? BEFORE_EVERY_PART_NUMBER : parseCursor('items', cursor, PART_NUMBER)
    return readSnapshot(this.#database, reachOf(reader), async client => {
      const found = await rows.selectItems(client, reader.workspace, after, limit + 1, filter)
      const { page, next_cursor } = cutPage(found, limit, last => formatCursor('items', last.part_number))
      return { items: page, next_cursor }
    })
  }

  /** @throws {Problem} 404 `not-found`, 400 `invalid-cursor`. */
  async revisions(reader: Reader, partNumber: string, request: PageRequest): Promise<Snapshot<RevisionPage>> {
    const { limit, cursor } = request
    const below =
      cursor === undefined ? ABOVE_EVERY_REVISION : parseCursor('revisions', cursor, REVISION_NUMBER)
    return readSnapshot(this.#database, reachOf(reader), async client => {
      if (!(await rows.selectItem(client, reader.workspace, partNumber))) throw notFound('item')
      const found = await rows.selectRevisions(client, reader.workspace, partNumber, below, limit + 1)
      const { page, next_cursor } = cutPage(found, limit, last =>
        formatCursor('revisions', last.revision_number),
      )
      return { revisions: page, next_cursor }
    })
  }

  async #write<T>(
    author: Author,
    make: (client: WorkspaceClient) => Promise<Change<T>>,
    events = 1,
  ): Promise<T> {
    const startedAt = performance.now()
    await this.#admit?.(author.workspace, events)
    const { result, committed } = await commitChange(this.#database, author, make)
    const stored = committed.flatMap(({ events }) => events)
    this.#tracing?.step('append', stored, startedAt)
    this.#onCommitted(committed)
    return result
  }
}

async function lockItem(
  client: WorkspaceClient,
  author: Author,
  partNumber: string,
  ifMatch?: string,
): Promise<Item> {
  const item = await rows.lockItem(client, author.workspace, partNumber)
  // Before any precondition, which counts only if the request would succeed without it (RFC 9110 §13.2.1).
  if (item === undefined) throw notFound('item')
  if (ifMatch === undefined || ifMatchHolds(ifMatch, item.etag)) return item
  const detail =
    'The item is no longer the one that If-Match names. Read it again and repeat with its new ETag.'
  throw new Problem(412, 'precondition-failed', detail, { etag: item.etag })
}

function itemUpdated({ part_number, revision }: Item): BuiltInEvent<'item.updated'> {
  return { type: 'item.updated', data: { part_number, revision } }
}

function itemExists(partNumber: string): Problem {
  const detail = `The item ${partNumber} already exists. Change it, or choose another part number.`
  return new Problem(409, 'item-exists', detail)
}
