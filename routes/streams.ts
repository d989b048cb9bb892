/** /api/streams: the streams of a workspace, for its admins; and the options of the workspace for its streams. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { reachOf } from '../src/auth/grants/reach.js'
import { inWorkspace } from '../src/database/workspace.js'
import { StreamName } from '../src/log/event.js'
import { FORM } from '../src/openapi/described.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { notFound } from '../src/problems/problem.js'
import {
  closeStream,
  configureStream,
  configureWorkspace,
  deleteStream,
  readWorkspaceOptions,
} from '../src/streams/stream-administration.js'
import {
  StreamDocument,
  StreamOptionChanges,
  WorkspaceOptionChanges,
  WorkspaceOptions,
} from '../src/streams/stream-document.js'
import { listStreams, selectStream } from '../src/streams/stream-list.js'

const Params = Type.Object({ name: StreamName })
const Query = Type.Object(
  {
    prefix: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._:/-]{1,132}$',
        [FORM]: '1 to 132 characters of A-Z a-z 0-9 . _ : / -',
        description: 'Only streams whose name begins with this text.',
      }),
    ),
    ...pageQuery('Maximum number of streams on the page.'),
  },
  { additionalProperties: false },
)
const StreamPage = Type.Object(
  { streams: Type.Array(StreamDocument), next_cursor: NextCursor },
  { description: 'A page of streams.' },
)
const Deleted = Type.Null({ description: 'Deleted. Nobody can read it any more.' })

const tags = ['streams']
const config = { access: 'admin', grants: 'workspace' } as const
const NAME = 'A name in the path is percent-encoded: `orders%2F7`.'

const routes: FastifyPluginAsyncTypebox = async app => {
  const clients = (workspace: string, name: string) => app.hub.followers(workspace, name)

  app.get(
    '/api/streams',
    {
      config,
      schema: {
        tags,
        operationId: 'listStreams',
        summary: 'List the streams of the workspace by name',
        querystring: Query,
        response: { 200: StreamPage },
      },
    },
    request => listStreams(app.database, reachOf(request.principal), request.query, clients),
  )

  app.get(
    '/api/streams/:name',
    {
      config,
      schema: {
        tags,
        operationId: 'getStream',
        summary: 'Get a stream',
        description: NAME,
        params: Params,
        response: { 200: StreamDocument },
      },
    },
    async request => {
      const { workspace } = request.principal
      const found = await inWorkspace(app.database, reachOf(request.principal), client =>
        selectStream(client, workspace, request.params.name, clients),
      )
      if (!found) throw notFound('stream')
      return found
    },
  )

  app.patch(
    '/api/streams/:name',
    {
      config,
      schema: {
        tags,
        operationId: 'configureStream',
        summary: 'Change the options of a stream',
        description: NAME,
        params: Params,
        body: StreamOptionChanges,
        response: { 200: StreamDocument },
      },
    },
    request => configureStream(app.database, request.auditOrigin, request.params.name, request.body, clients),
  )

  app.post(
    '/api/streams/:name/close',
    {
      config,
      schema: {
        tags,
        operationId: 'closeStream',
        summary: 'Close a stream for good',
        description: `It takes no more events, and its followers get the end. ${NAME}`,
        params: Params,
        response: { 200: StreamDocument },
      },
    },
    async request => {
      const closed = await closeStream(app.database, request.auditOrigin, request.params.name, clients)
      app.tailer.ends.expect(closed.id)
      app.tailer.wake([closed.id])
      return closed.document
    },
  )

  app.delete(
    '/api/streams/:name',
    {
      config,
      schema: {
        tags,
        operationId: 'deleteStream',
        summary: 'Delete a stream with its events',
        description: `Its followers get a reset and the end. ${NAME}`,
        params: Params,
        response: { 204: Deleted },
      },
    },
    async (request, reply) => {
      app.tailer.ends.deleted(await deleteStream(app.database, request.auditOrigin, request.params.name))
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/api/workspace',
    {
      config,
      schema: {
        tags,
        operationId: 'getWorkspaceOptions',
        summary: 'Get the options of the workspace',
        response: { 200: WorkspaceOptions },
      },
    },
    request => readWorkspaceOptions(app.database, request.principal.workspace),
  )

  app.patch(
    '/api/workspace',
    {
      config,
      schema: {
        tags,
        operationId: 'configureWorkspace',
        summary: 'Change the options of the workspace',
        description: 'They hold for each of its streams that has no value of its own.',
        body: WorkspaceOptionChanges,
        response: { 200: WorkspaceOptions },
      },
    },
    request => configureWorkspace(app.database, request.auditOrigin, request.body),
  )
}

export default routes
