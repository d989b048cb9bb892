/** The catalogue of notices: the messages of a stream besides the events of the log. Add a new one here and nowhere else. */
import Type, { type Static } from 'typebox'
import { orNull } from '../openapi/or-null.js'
import type { NoticeEntry } from './catalogue-entry.js'

/** The id of a job in examples. */
const JOB_ID = '7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22'
const EventId = (description: string) => Type.String({ description })
const NOTHING = { data: Type.Object({}), example: {} }

export const NOTICES = {
  'server.state': {
    room: 'hub',
    reserved: true,
    when: 'first on every stream, then at each change of the mode',
    data: Type.Object({
      mode: Type.Enum(['normal', 'degraded', 'maintenance', 'draining']),
      connection: Type.Optional(
        Type.String({ format: 'uuid', description: 'Names the stream; first only.' }),
      ),
      ignored: Type.Optional(Type.Array(Type.String(), { description: 'Unknown query parameters.' })),
      consumer: Type.Optional(
        Type.Object(
          {
            name: Type.String(),
            epoch: Type.Integer({ description: 'Sent with acknowledgements.' }),
            ack_timeout_ms: Type.Integer(),
            max_in_flight: Type.Integer(),
          },
          { description: 'The consumer that the client holds; first only.' },
        ),
      ),
    }),
    example: { mode: 'normal', connection: '5c9f6d0e-3b7a-4d51-9a62-1f0e8c47b2d3' },
  },
  heartbeat: { room: 'hub', reserved: true, when: 'every `HEARTBEAT_MS`', ...NOTHING },
  reset: {
    room: 'hub',
    reserved: true,
    when: 'before any discontinuity',
    data: Type.Object({
      reason: Type.Enum(['retention', 'history-lost', 'unknown-id', 'deleted']),
      earliest: EventId('Start after it to read everything that is still stored.'),
      head: EventId('The stream continues after it.'),
    }),
    example: { reason: 'retention', earliest: '4101.w2p6ab', head: '10532.k7f3qa' },
  },
  unavailable: {
    room: 'hub',
    reserved: true,
    when: 'instead of a stream, or last when an admin ends it, its consumer is held no longer, or its caller has too many in all processes together',
    data: Type.Object({
      reason: Type.Enum([
        'draining',
        'limit',
        'database',
        'memory',
        'authorization',
        'upstream',
        'by-admin',
        'held',
        'taken-over',
        'sought',
        'changed',
        'consumer-deleted',
      ]),
      limit: Type.Optional(Type.Enum(['principal', 'workspace', 'address'])),
      database: Type.Optional(Type.String({ description: 'As in problem documents.' })),
    }),
    example: { reason: 'limit', limit: 'workspace' },
  },
  error: {
    room: 'hub',
    reserved: true,
    when: 'in lines and envelopes, while the log cannot be read',
    data: Type.Object({ message: Type.String(), code: Type.Literal('unreadable') }),
    example: { message: 'The log cannot be read; it is tried again.', code: 'unreadable' },
  },
  cursor: { room: 'hub', reserved: true, when: 'with `cursors=named`, to move the cursor', ...NOTHING },
  snapshot: {
    room: 'jobs',
    // Jobs may report events of this type; a stored event has an id.
    reserved: false,
    when: 'first on the stream of a job',
    data: Type.Object({
      job: Type.Record(Type.String(), Type.Unknown(), { description: 'As `GET /api/jobs/:id` shows it.' }),
      head: EventId('The job includes all events up to it.'),
    }),
    example: { job: { id: JOB_ID, status: 'running' }, head: '2.aaulht' },
  },
  'auth-expired': { room: 'hub', reserved: true, when: 'when the credentials have expired', ...NOTHING },
  'auth-renewed': {
    room: 'hub',
    reserved: true,
    when: 'when the stream continues with newer credentials',
    data: Type.Object({ expires_at: orNull(Type.String({ format: 'date-time' })) }),
    example: { expires_at: '2026-11-21T07:28:04.000Z' },
  },
  'auth-revoked': { room: 'hub', reserved: true, when: 'when the credentials have been revoked', ...NOTHING },
} as const satisfies Readonly<Record<string, NoticeEntry>>

export type NoticeName = keyof typeof NOTICES
export type NoticeData<Name extends NoticeName> = Static<(typeof NOTICES)[Name]['data']>
