/** GET /api/audit: the audit log of the caller's workspace, page by page, or all of it as lines. */
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { ACTIONS } from '../src/audit/audit.js'
import { AuditEntryDocument, exportAudit, readAuditPage } from '../src/audit/entries.js'
import { workspaceNotGranted } from '../src/auth/grants/grant-problem.js'
import type { Grants } from '../src/auth/grants/grants.js'
import type { CredentialWatch } from '../src/auth/revocations/credential-watch.js'
import { NDJSON } from '../src/bytes/media-type.js'
import { type StreamSlot, tooManyStreams } from '../src/limits/stream-slots.js'
import { asLine } from '../src/openapi/described.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { Problem } from '../src/problems/problem.js'
import { STALLED_MS } from '../src/sse/sink.js'

const Time = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }))

const Query = Type.Object(
  {
    action: Type.Optional(Type.Enum([...ACTIONS])),
    principal: Type.Optional(asLine(Type.String({ maxLength: 256 }))),
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
  const exports = new Set<Readable>()
  // In preClose, because the server waits for open responses before onClose. An incomplete export is cut off, not ended.
  app.addHook('preClose', async () => {
    for (const lines of exports) lines.destroy()
  })

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
      app.guard.current(principal)
      const slot = slotOf(request)
      return sendLines(
        reply,
        exportAudit(app.database, workspace, filter),
        slot,
        app.guard.watch(principal, { assertHeldBy: refuseGrants }),
      )
    },
  )

  /** An export lasts as long as the client reads, so it counts as a stream. */
  function slotOf(request: FastifyRequest): StreamSlot {
    const slot = app.takeStreamSlot(request)
    if (typeof slot === 'string') throw tooManyStreams(slot)
    return slot
  }

  function sendLines(
    reply: FastifyReply,
    pieces: AsyncIterable<string>,
    slot: StreamSlot,
    watch: CredentialWatch,
  ): FastifyReply {
    // One piece at a time: the next one is read when the client has received the one before.
    const lines = Readable.from(pieces, { highWaterMark: 1 })
    exports.add(lines)
    // If the credentials expire or are revoked, the export ends, even in the middle of a piece.
    const end = () => lines.destroy()
    if (watch.signal.aborted) end()
    else watch.signal.addEventListener('abort', end)
    lines.once('close', () => {
      watch.stop()
      exports.delete(lines)
      slot.release()
    })
    reply.raw.setTimeout(STALLED_MS, () => reply.raw.destroy())
    return reply.type(NDJSON).send(lines)
  }
}

export default routes

/** An export that goes on must end when its key gets grants. */
function refuseGrants(grants: Grants | undefined): void {
  if (grants) throw workspaceNotGranted()
}

/** The schema accepts times that do not exist, such as a leap second. */
function timeOf(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new Problem(400, 'invalid-request', `\`${name}\` is not a time, such as 2026-01-31T12:00:00Z.`)
}
