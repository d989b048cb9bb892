/** The streams that the load writes and follows, and the types of events in each. */

import { END, type Place } from '../../followers/place.js'

/** Of events that are published over HTTP and in SQL. */
export const TYPES = ['order.placed', 'order.paid', 'alarm.raised', 'note'] as const
/** Of the watched table. */
export const ROW_TYPES = ['parcel.created', 'parcel.updated', 'parcel.deleted'] as const
/** Of jobs, which the feed of their workspace has too. */
export const JOB_TYPES = [
  'created',
  'started',
  'completed',
  'failed',
  'aborted',
  'cancelled',
  'interrupted',
].map(state => `job.${state}`)

export const ORDERS = { workspace: 'acme', stream: 'orders' }
export const AUDIT = { workspace: 'acme', stream: 'audit' }
export const ROOMS = [
  { workspace: 'acme', stream: 'rooms/1' },
  { workspace: 'acme', stream: 'rooms/2' },
] as const
export const TELEMETRY = { workspace: 'globex', stream: 'telemetry' }
/** Consumers and webhooks are on these. What the gateway says of them is in the feed of their workspace, which no client follows. */
export const TASKS = { workspace: 'initech', stream: 'tasks' }
export const SHIPMENTS = { workspace: 'initech', stream: 'shipments' }
/** Written in the protocol Durable Streams. */
export const JOURNAL = { workspace: 'initech', stream: 'journal' }
/** The rows of the watched table are in both. */
export const FEEDS = [
  { workspace: 'acme', stream: 'feed' },
  { workspace: 'globex', stream: 'feed' },
] as const

export const STREAMS: readonly Place[] = [
  ...[...FEEDS, ORDERS, AUDIT, ...ROOMS],
  ...[TELEMETRY, TASKS, SHIPMENTS, JOURNAL],
]

/** Types that a client may ask for or be granted: each shows a part of every stream, and its end. */
export const SELECTIONS: readonly (readonly string[])[] = [
  ['order.*', END],
  ['alarm.raised', 'parcel.updated', END],
  ['note', 'parcel.*', END],
  ['order.paid', 'note', END],
]
