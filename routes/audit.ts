/** GET /api/audit: the audit log of the caller's workspace, page by page, or all of it as lines. */
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { ACTIONS } from '../src/audit/audit.js'
import { AuditEntryDocument, exportAudit, readAuditPage } from '../src/audit/entries.js'
import { NDJSON } from '../src/bytes/media-type.js'
import { asLine } from '../src/openapi/described.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { Problem } from '../src/problems/problem.js'
import { LineExports } from './line-exports.js'

const Time = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }))

const Query = Type.Object(
  {
    action: Type.Optional(Type.Enum([...ACTIONS], { description: 'Only entries of this action.' })),
    principal: Type.Optional(
      asLine(Type.String({ maxLength: 256, description: 'Only entries of this principal.' })),
    ),
    since: Time('Only entries of this time and later.'),
    before: Time('Only entries before this time.'),
    ...pageQuery('Maximum number of entries on the page; does not apply to NDJSON.'),
  },
  { additionalProperties: false },
)

const AuditPage = Type.Object(
  {
    entries: Type.Array(AuditEntryDocument),
    next_cursor: NextCursor,
  },
  { description: `A page of entries. As ${NDJSON}: all entries, one per line.` },
)

const routes: FastifyPluginAsyncTypebox = async app => {
  const exports = new LineExports(app)

  app.get(
    '/api/audit',
    {
      config: { access: 'admin', grants: 'workspace' },
      schema: {
        tags: ['server'],
        operationId: 'listAuditEntries',
        summary: 'List the audit log, newest entry first',
        description: `With \`Accept: ${NDJSON}\` the response is the whole log, one entry per line.`,
        querystring: Query,
        response: {
          200: {
            content: { 'application/json': { schema: AuditPage }, [NDJSON]: { schema: Type.String() } },
          },
        },
      },
    },
    async (request, reply) => {
      const { principal } = request
      const { workspace } = principal
      const { limit, cursor, since, before, ...rest } = request.query
      const filter = { ...rest, since: timeOf('since', since), before: timeOf('before', before) }
      if (!request.headers.accept?.includes(NDJSON)) {
        return readAuditPage(app.database, workspace, { ...filter, limit, cursor })
      }
      if (request.method === 'HEAD') return reply.type(NDJSON).send('')
      return exports.send(request, reply, () =>
        // One piece at a time: the next one is read when the client has received the one before.
        Readable.from(exportAudit(app.database, workspace, filter), { highWaterMark: 1 }),
      )
    },
  )
}

export default routes

/** The schema accepts times that do not exist, such as a leap second. */
function timeOf(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new Problem(400, 'invalid-request', `\`${name}\` is not a time, such as 2026-01-31T12:00:00Z.`)
}
