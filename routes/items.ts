/** /api/items: the items of a workspace and their revisions. Each change is an event on the workspace's feed. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import Type from 'typebox'
import { isKnown } from '../src/items/etag.js'
import { Item, ItemPatch, ItemType, NewItem, NewRevision, PartNumber, Revision } from '../src/items/item.js'
import { FEED } from '../src/log/event.js'
import type { Snapshot } from '../src/log/feed-snapshot.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { withETag, withETagForReaders } from './item-precondition.js'

const Params = Type.Object({ part_number: PartNumber })

const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      description: 'The ETag of the item that the change is based on. Without it the last write wins.',
    }),
  ),
})
const IfNoneMatch = Type.Object({
  'if-none-match': Type.Optional(
    Type.String({ description: 'The ETag that the client has: 304 if the item has not changed since.' }),
  ),
})

const Page = pageQuery('Maximum number of items or revisions on the page.', 100)
const RevisionQuery = Type.Object(Page, { additionalProperties: false })
const ItemQuery = Type.Object(
  {
    ...Page,
    item_type: Type.Optional(ItemType),
    search: Type.Optional(
      Type.String({
        maxLength: 200,
        description:
          'Finds this text anywhere in the part number or the description, ignoring case. No wildcards.',
      }),
    ),
  },
  { additionalProperties: false },
)

const ETag = { etag: Type.String({ description: 'The `etag` of the item.' }) }
const Location = { location: Type.String({ description: 'The path of the item.' }) }
const Head = {
  'x-sluice-head': Type.String({
    description: 'The event id of the newest event that the response includes. Follow the feed from there.',
  }),
}

const ItemPage = Type.Object(
  { items: Type.Array(Item), next_cursor: NextCursor },
  { description: 'A page of items.', headers: Head },
)
const RevisionPage = Type.Object(
  { revisions: Type.Array(Revision), next_cursor: NextCursor },
  { description: 'A page of revisions.', headers: Head },
)
const CreatedItem = Type.Object(Item.properties, {
  description: 'Created.',
  headers: { ...Location, ...ETag },
})
const ReadItem = Type.Object(Item.properties, { description: 'The item.', headers: { ...ETag, ...Head } })
const KnownItem = Type.Null({ description: 'The item has not changed.', headers: { ...ETag, ...Head } })
const ChangedItem = Type.Object(Item.properties, { description: 'Changed.', headers: ETag })
const CreatedRevision = Type.Object(Revision.properties, { description: 'Created.' })
const Deleted = Type.Null({ description: 'Deleted.' })

const tags = ['items']
const SHOWN = { item: ['item.*'], revision: ['revision.*'] } as const

const viewer = { access: 'viewer', grants: 'feed' } as const
const editor = { access: 'editor', grants: 'feed' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  const { items } = app

  app.post(
    '/api/items',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'createItem',
        summary: 'Create an item',
        body: NewItem,
        response: { 201: CreatedItem },
      },
    },
    async (request, reply) => {
      await app.grants.toPublish(request, FEED, ['item.created'])
      const item = await items.create(request.author, request.body)
      return reply
        .code(201)
        .headers({ location: `${app.prefix}/api/items/${item.part_number}`, etag: item.etag })
        .send(item)
    },
  )

  app.get(
    '/api/items',
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'listItems',
        summary: 'List items by part number',
        description: 'After reading several pages, follow the feed from the head of the first page.',
        querystring: ItemQuery,
        response: { 200: ItemPage },
      },
    },
    async (request, reply) => {
      await app.grants.toRead(request, FEED, 'stream', SHOWN.item)
      return read(reply, await items.list(request.principal, request.query))
    },
  )

  app.get(
    '/api/items/:part_number',
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'getItem',
        summary: 'Get an item',
        params: Params,
        headers: IfNoneMatch,
        response: { 200: ReadItem, 304: KnownItem },
      },
    },
    async (request, reply) => {
      await app.grants.toRead(request, FEED, 'item', SHOWN.item)
      const item = read(reply, await items.get(request.principal, request.params.part_number))
      reply.header('etag', item.etag)
      const known = request.headers['if-none-match']
      return known !== undefined && isKnown(known, item.etag) ? reply.code(304).send(null) : item
    },
  )

  app.patch(
    '/api/items/:part_number',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'updateItem',
        summary: 'Change an item',
        description: 'Replaces the given fields, and `properties` as a whole.',
        params: Params,
        headers: IfMatch,
        body: ItemPatch,
        response: { 200: ChangedItem },
      },
    },
    async (request, reply) => {
      await app.grants.toPublish(request, FEED, ['item.updated'])
      await app.grants.toRead(request, FEED, 'item', SHOWN.item)
      const item = await items
        .update(request.author, request.params.part_number, request.body, request.headers['if-match'])
        .catch(withETag(reply))
      return reply.header('etag', item.etag).send(item)
    },
  )

  app.delete(
    '/api/items/:part_number',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'deleteItem',
        summary: 'Delete an item and its revisions',
        description: 'The part number can be used again.',
        params: Params,
        headers: IfMatch,
        response: { 204: Deleted },
      },
    },
    async (request, reply) => {
      await app.grants.toPublish(request, FEED, ['item.deleted'])
      await items
        .delete(request.author, request.params.part_number, request.headers['if-match'])
        .catch(withETagForReaders(reply, SHOWN.item))
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/api/items/:part_number/revisions',
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'listRevisions',
        summary: 'List the revisions of an item, newest first',
        params: Params,
        querystring: RevisionQuery,
        response: { 200: RevisionPage },
      },
    },
    async (request, reply) => {
      await app.grants.toRead(request, FEED, 'item', SHOWN.revision)
      return read(reply, await items.revisions(request.principal, request.params.part_number, request.query))
    },
  )

  app.post(
    '/api/items/:part_number/revisions',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'releaseRevision',
        summary: 'Release an item as its next revision',
        params: Params,
        headers: IfMatch,
        body: NewRevision,
        response: { 201: CreatedRevision },
      },
    },
    async (request, reply) => {
      await app.grants.toPublish(request, FEED, ['revision.created', 'item.updated'])
      await app.grants.toRead(request, FEED, 'item', SHOWN.revision)
      const revision = await items
        .revise(request.author, request.params.part_number, request.body, request.headers['if-match'])
        .catch(withETag(reply))
      return reply.code(201).send(revision)
    },
  )
}

/** Only the client's own cache may keep it, and must revalidate it before each use. */
function read<T>(reply: FastifyReply, { value, head }: Snapshot<T>): T {
  reply.headers({ 'x-sluice-head': head, 'cache-control': 'private, no-cache' })
  return value
}

export default routes
