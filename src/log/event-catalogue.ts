/**
 * The catalogue of built-in events; notice-catalogue.ts has the notices. The type checker compares the code that writes an event
 * with its schema, tests compare the database, the console and docs/events.md with it, and the API's description shows it.
 *
 * It lists only the types that clients see under these names. A dialect's own messages are in src/jobs/dialects/. The events
 * with which gateways inform each other are in src/maintenance/ and src/auth/revocations/.
 */
import Type, { type Static } from 'typebox'
import { orNull } from '../openapi/or-null.js'
import type { EventEntry, NoticeEntry } from './catalogue-entry.js'
import { CHUNK_EVENTS } from './chunk-events.js'
import { CONSUMER_EVENTS, RECEIVER_TYPES } from './consumer-events.js'
import { COMPACTED } from './event.js'
import { NOTICES } from './notice-catalogue.js'
import { PRESENCE_EVENTS } from './presence-events.js'

/**
 * Events on the status of jobs. Nobody but the gateway publishes events that start with this prefix, except in the stream of a
 * job: its executor reports events of any other name there, such as `job.queued`.
 */
export const RESERVED_PREFIX = 'job.'
/** Names under which an EventSource dispatches events of its own (WHATWG HTML §9.2). `error` is a notice as well. */
const EVENT_SOURCE_TYPES = ['open', 'error', 'message']

const JOB_ID = '7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22'
const JobId = Type.String({ description: 'The id of the job.' })
const PartNumber = Type.String()

/** The last event of a job, which closes its stream. */
const jobEnd = <Status extends string>(status: Status, result: object | null, when: string) =>
  ({
    room: 'jobs',
    streams: ['feed', 'job'],
    when,
    data: Type.Object({
      job_id: JobId,
      status: Type.Literal(status),
      result: orNull(Type.Record(Type.String(), Type.Unknown())),
      attempt: Type.Integer(),
    }),
    example: { job_id: JOB_ID, status, result, attempt: 1 },
  }) as const satisfies EventEntry

export const EVENTS = {
  'event.redacted': {
    room: 'log',
    streams: ['feed', 'job', 'other'],
    reserved: true,
    when: 'the data of an earlier event of the stream was erased: clients drop their copies',
    data: Type.Object({
      position: Type.Integer(),
      id: Type.String(),
      reason: Type.String(),
      at: Type.String(),
    }),
    example: { position: 7, id: '7.k7f3qa', reason: 'request 118', at: '2026-11-26T09:30:00.000Z' },
  },
  ...CHUNK_EVENTS,
  ...CONSUMER_EVENTS,
  ...PRESENCE_EVENTS,
  'item.created': {
    room: 'items',
    streams: ['feed'],
    when: 'an item was created, at revision 1',
    data: Type.Object({ part_number: PartNumber, description: Type.String(), item_type: Type.String() }),
    example: { part_number: 'A01-0002', description: 'Bracket, left', item_type: 'part' },
  },
  'item.updated': {
    room: 'items',
    streams: ['feed'],
    when: 'an item was changed, or released under its next revision',
    data: Type.Object({ part_number: PartNumber, revision: Type.Integer() }),
    example: { part_number: 'A01-0002', revision: 3 },
  },
  'item.deleted': {
    room: 'items',
    streams: ['feed'],
    when: 'an item was deleted, with its revisions',
    data: Type.Object({ part_number: PartNumber }),
    example: { part_number: 'A01-0002' },
  },
  'revision.created': {
    room: 'items',
    streams: ['feed'],
    when: 'an item was released under its next revision; `item.updated` follows',
    data: Type.Object({ part_number: PartNumber, revision_number: Type.Integer(), comment: Type.String() }),
    example: { part_number: 'A01-0002', revision_number: 3, comment: 'Holes moved by 2 mm' },
  },
  'job.created': {
    room: 'jobs',
    streams: ['feed', 'job'],
    when: 'a job was queued',
    data: Type.Object({
      job_id: JobId,
      kind: Type.String(),
      project: orNull(Type.String()),
      title: orNull(Type.String()),
      priority: Type.Integer(),
    }),
    example: { job_id: JOB_ID, kind: 'command', project: 'website', title: 'npm test', priority: 0 },
  },
  'job.started': {
    room: 'jobs',
    streams: ['feed', 'job'],
    when: 'a runner claimed the job, or its creator started it without a runner',
    data: Type.Object({ job_id: JobId, attempt: Type.Integer(), runner: orNull(Type.String()) }),
    example: { job_id: JOB_ID, attempt: 1, runner: 'build-7' },
  },
  'job.requeued': {
    room: 'jobs',
    streams: ['job'],
    when: 'the runner handed the job back, or its lease expired',
    data: Type.Object({
      job_id: JobId,
      attempt: Type.Integer(),
      reason: Type.Enum(['handed-back', 'lease-expired']),
    }),
    example: { job_id: JOB_ID, attempt: 1, reason: 'lease-expired' },
  },
  'job.completed': jobEnd('completed', { exit_code: 0 }, 'the job was reported as completed'),
  'job.failed': jobEnd('failed', { exit_code: 1 }, 'the job was reported as failed'),
  'job.cancelled': jobEnd('cancelled', null, 'an editor cancelled the job'),
  'job.aborted': jobEnd('aborted', null, 'its executor or an editor gave the job up'),
  'job.interrupted': jobEnd(
    'interrupted',
    null,
    'the lease of the last permitted attempt expired, or no runner claimed the job in time',
  ),
  output: {
    room: 'runner',
    streams: ['job'],
    when: 'a command that `sluice runner` executes wrote a line',
    data: Type.Object({
      line: Type.String(),
      stream: Type.Enum(['stdout', 'stderr']),
      continues: Type.Optional(Type.Literal(true, { description: 'The line goes on in the next event.' })),
      replaced: Type.Optional(Type.Literal(true, { description: 'Bytes that are not UTF-8 became U+FFFD.' })),
    }),
    example: { line: 'ok 1', stream: 'stdout' },
  },
} as const satisfies Readonly<Record<string, EventEntry>>

export type EventName = keyof typeof EVENTS

/** Whether the gateway itself reports the status of a job with events of this type. */
export function isJobStatusType(type: string): boolean {
  return type.startsWith(RESERVED_PREFIX) && Object.hasOwn(EVENTS, type)
}

/** A built-in event that is about to be appended. */
export type BuiltInEvent<Name extends EventName = EventName> = {
  readonly [Each in Name]: { readonly type: Each; readonly data: Static<(typeof EVENTS)[Each]['data']> }
}[Name]

const ALL: Readonly<Record<string, EventEntry | NoticeEntry>> = { ...EVENTS, ...NOTICES }
/** Types that no application may publish: clients rely on the gateway for them, or do not get them at all. */
export const RESERVED_TYPES: ReadonlySet<string> = new Set([
  ...EVENT_SOURCE_TYPES,
  COMPACTED,
  ...RECEIVER_TYPES,
  ...Object.keys(ALL).filter(name => ALL[name]?.reserved),
])
