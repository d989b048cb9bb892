/** The forms in which clients follow a stream of the log, and the messages of each: those of the catalogue, and any others. */
import Type from 'typebox'
import { NDJSON } from '../bytes/media-type.js'
import type { EventEntry, NoticeEntry } from '../log/catalogue-entry.js'
import { ID_EXTENSION } from '../log/cloudevent-attributes.js'
import { CloudEvent } from '../log/cloudevents.js'
import { EVENT_TYPE_PATTERN, EventData, EventDocument } from '../log/event.js'
import { EVENTS } from '../log/event-catalogue.js'
import { NOTICES } from '../log/notice-catalogue.js'
import type { StreamForm, StreamMessage } from './channel.js'

export type StreamKind = EventEntry['streams'][number]

const CURSOR = '10532.k7f3qa'
const EVENT_ID = 'e29bd3ad-8558-4ae0-ab69-2576d4f64ab4'
const AT = '2026-11-21T06:28:06.140Z'
/** Notices that only a stream of Server-Sent Events has: lines are refused with a problem, and have no block for a cursor. */
const OF_BLOCKS: readonly string[] = ['unavailable', 'cursor']
/** The notice that only the stream of a job has. */
const OF_JOBS = 'snapshot'

const SSE = 'text/event-stream'
const ENVELOPE = 'envelope'

/** An event of a type that the catalogue does not have. */
const published: StreamMessage = {
  key: 'event',
  summary: 'An event that an application has published or reported: its own type is the name.',
  event: Type.String({ pattern: EVENT_TYPE_PATTERN }),
  payload: EventData,
  example: { order: 7, total: 42 },
  ofLog: true,
}

const document = {
  key: 'event.document',
  summary: 'An event of any type.',
  payload: EventDocument,
  example: {
    id: CURSOR,
    position: 10_532,
    type: 'item.updated',
    at: AT,
    event_id: EVENT_ID,
    data: EVENTS['item.updated'].example,
  },
  ofLog: true,
  schema: 'event.json',
} satisfies StreamMessage

const cloudEvent = {
  key: 'cloudevent',
  summary: `An event as a CloudEvent. Its extension \`${ID_EXTENSION}\` is the event id.`,
  payload: {
    allOf: [CloudEvent, Type.Object({ [ID_EXTENSION]: Type.String({ description: 'The event id.' }) })],
  },
  example: {
    specversion: '1.0',
    id: EVENT_ID,
    source: '/acme/feed',
    type: 'item.updated',
    time: AT,
    [ID_EXTENSION]: CURSOR,
    data: EVENTS['item.updated'].example,
  },
  ofLog: true,
} satisfies StreamMessage

/** The forms of a stream of this kind. Clients that do not ask for another get named Server-Sent Events. */
export function logForms(kind: StreamKind): StreamForm[] {
  const notices = noticesOf(kind)
  const named = notices.filter(isNamed).map(([name, notice]) => namedNotice(name, notice))
  const documents = notices.map(([name, notice]) => noticeDocument(name, notice))
  const lines = documents.filter(({ key }) => !OF_BLOCKS.some(name => key === keyOfDocument(name)))
  const events = Object.entries<EventEntry>(EVENTS)
    .filter(([, { streams }]) => streams.includes(kind))
    .map(([type, entry]) => namedEvent(type, entry))
  return [
    {
      suffix: '',
      title: 'Server-Sent Events, named after the types of events',
      accept: SSE,
      query: {},
      messages: [...events, published, ...named],
    },
    {
      suffix: 'AsMessages',
      title: 'Server-Sent Events without a name',
      accept: SSE,
      query: { [ENVELOPE]: 'message' },
      messages: [document, ...documents],
    },
    {
      suffix: 'AsCloudEvents',
      title: 'CloudEvents, as Server-Sent Events without a name',
      accept: SSE,
      query: { [ENVELOPE]: 'cloudevents' },
      messages: [cloudEvent, ...named],
    },
    {
      suffix: 'AsLines',
      title: 'Lines (NDJSON)',
      accept: NDJSON,
      query: {},
      messages: [document, ...lines],
    },
    {
      suffix: 'AsCloudEventLines',
      title: 'CloudEvents, as lines (NDJSON)',
      accept: NDJSON,
      query: { [ENVELOPE]: 'cloudevents' },
      messages: [cloudEvent, ...lines],
    },
  ]
}

/** The events of the catalogue in the stream of a job, as dialects that pass them on under their names send them. */
export function jobEventMessages(): StreamMessage[] {
  return logForms('job').flatMap(({ suffix, messages }) =>
    suffix === '' ? messages.filter(({ ofLog }) => ofLog) : [],
  )
}

function namedEvent(type: string, { when, example }: EventEntry): StreamMessage {
  return {
    key: type,
    summary: sentence(when),
    event: type,
    payload: { $ref: schemaReference(type) },
    example,
    ofLog: true,
    schema: `events/${type}.json`,
  }
}

function namedNotice(name: string, { when, example }: NoticeEntry): StreamMessage {
  return {
    key: `notice.${name}`,
    summary: sentence(when),
    event: name,
    payload: { $ref: schemaReference(`notice.${name}`) },
    example,
    schema: `notices/${name}.json`,
  }
}

/** A notice as NDJSON and envelopes have it. */
function noticeDocument(name: string, { when, example }: NoticeEntry): StreamMessage {
  const payload = {
    type: 'object',
    required: ['type', 'data'],
    properties: {
      id: { type: 'string', description: 'The cursor of the client, if it has one.' },
      type: { const: name },
      data: { $ref: schemaReference(`notice.${name}`) },
    },
  }
  return {
    key: keyOfDocument(name),
    summary: sentence(when),
    payload,
    example: { id: CURSOR, type: name, data: example },
    schema: `notices/${name}.json`,
  }
}

function keyOfDocument(name: string): string {
  return `notice.${name}.document`
}

/** The reference to a schema of the catalogue inside the document. */
function schemaReference(key: string): string {
  return `#/components/schemas/${key}`
}

function noticesOf(kind: StreamKind): [string, NoticeEntry][] {
  return Object.entries<NoticeEntry>(NOTICES).filter(([name]) => kind === 'job' || name !== OF_JOBS)
}

/** Whether clients of named events get the notice. */
function isNamed([name]: readonly [name: string, ...unknown[]]): boolean {
  return name !== 'error'
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
