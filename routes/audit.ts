/** GET /api/audit: what is on record of the caller's workspace, as pages or, as lines, all of it. */
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { ACTIONS } from '../src/audit/audit.js'
import { AuditEntryDocument, exportAudit, MAX_AUDIT_PAGE, readAuditPage } from '../src/audit/entries.js'
import type { CredentialWatch } from '../src/auth/revocations/credential-watch.js'
import { type StreamSlot, tooManyStreams } from '../src/limits/stream-slots.js'
import { asLine } from '../src/openapi/described.js'
import { Problem } from '../src/problems/problem.js'
import { STALLED_MS } from '../src/sse/sink.js'

const NDJSON = 'application/x-ndjson'

const Time = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }))

const Query = Type.Object(
  {
    action: Type.Optional(Type.Enum([...ACTIONS])),
    principal: Type.Optional(asLine(Type.String({ maxLength: 256 }))),
    since: Time('Entries of this time and later.'),
    before: Time('Entries before this time.'),
    limit: Type.Integer({
      minimum: 1,
      maximum: MAX_AUDIT_PAGE,
      default: 50,
      description: 'Entries at most; lines are not counted.',
    }),
    cursor: Type.Optional(
      Type.String({ maxLength: 256, description: 'The `next_cursor` of the page before; opaque.' }),
    ),
  },
  { additionalProperties: false },
)

const AuditPage = Type.Object(
  {
    entries: Type.Array(AuditEntryDocument),
    next_cursor: Type.Union([Type.String(), Type.Null()], { description: 'Null on the last page.' }),
  },
  { description: `A page of entries. As ${NDJSON}: all entries, one a line.` },
)

const routes: FastifyPluginAsyncTypebox = async app => {
  const exports = new Set<Readable>()
  // preClose: the server waits for open responses before onClose. Broken, not ended: it was not all.
  app.addHook('preClose', async () => {
    for (const lines of exports) lines.destroy()
  })

  app.get(
    '/api/audit',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['server'],
        operationId: 'listAuditEntries',
        summary: 'What is on record, the newest first',
        description: `With \`Accept: ${NDJSON}\` all of it, one entry a line.`,
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
      return sendLines(reply, exportAudit(app.database, workspace, filter), slot, app.guard.watch(principal))
    },
  )

  /** It lasts as long as the client wants, so it counts as a stream. */
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
    // One piece at a time: the next is read when the client has taken the one before.
    const lines = Readable.from(pieces, { highWaterMark: 1 })
    exports.add(lines)
    // When the credentials end or are revoked, even in the middle of a piece that the client takes slowly.
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

/** The schema lets times through that there are not, such as a leap second. */
function timeOf(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new Problem(400, 'invalid-request', `\`${name}\` is not a time, such as 2026-01-31T12:00:00Z.`)
}
