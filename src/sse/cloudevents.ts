/**
 * Events as CloudEvents 1.0 in their JSON format (https://github.com/cloudevents/spec, json-format.md). An event that was published
 * as a CloudEvent gets its own attributes and data again; any other gets those that it has: its UUID, the stream as its source, and
 * the time at which it was stored. The extension `sluiceid` is the event id, after which a client resumes.
 *
 * On Server-Sent Events each CloudEvent is an unnamed message. Notices are no CloudEvents, so they keep their names there; on a line of
 * NDJSON they have no `specversion`.
 */
import { DATA_FORM, ID_EXTENSION } from '../log/cloudevent-attributes.js'
import type { StoredEvent } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'
import { type Encoding, sse } from './encoding.js'
import { encodeMessage } from './frame.js'
import { ndjson } from './ndjson.js'

/** The member that holds the data in an event, when the data is no JSON object. */
const MEMBERS = { json: 'data', base64: 'data_base64' } as const
const FIRST_MEMBER = /^\s*\{\s*"(data|data_base64)"\s*:/

/** An event of the log, or a message of Sluice outside of it, without a place in a stream. */
export type CloudEventContent = Omit<StoredEvent, 'position' | 'way'>

export interface CloudEventParts {
  readonly attributes: Readonly<Record<string, unknown>>
  /** Undefined for a CloudEvent without data. */
  readonly data:
    | {
        readonly member: 'data' | 'data_base64'
        /** JSON, as it is stored. */
        readonly text: string
      }
    | undefined
}

/**
 * @param source of events that were not published as CloudEvents.
 * @param id the event id; undefined for a message without one.
 */
export function cloudEventParts(
  event: CloudEventContent,
  source: string,
  id: string | undefined,
): CloudEventParts {
  const { [DATA_FORM]: form, ...own } = attributesIn(event)
  const attributes = {
    specversion: '1.0',
    id: event.eventId,
    source,
    type: event.type,
    time: event.at.toISOString(),
    ...(event.traceparent && { traceparent: event.traceparent }),
    ...own,
    ...(id !== undefined && { [ID_EXTENSION]: id }),
  }
  return { attributes, data: dataOf(event, form) }
}

/** The JSON document of these parts, with the data's text unchanged. */
export function cloudEventText({ attributes, data }: CloudEventParts): string {
  return `${JSON.stringify(attributes).slice(0, -1)}${data ? `,"${data.member}":${data.text}` : ''}}`
}

/**
 * The document in one line: line ends, which JSON has only between its tokens, become spaces.
 * @param source of events that were not published as CloudEvents.
 */
export function cloudEventDocument(event: StoredEvent, source: string): string {
  const parts = cloudEventParts(event, source, formatEventId(event.position, event.eventId))
  return cloudEventText(parts).replace(/[\r\n]+/g, ' ')
}

/** Unnamed messages for `text/event-stream`. @param source as for `cloudEventDocument`. */
export function sseCloudEvents(source: string): Encoding {
  return {
    ...sse,
    name: 'sse-cloudevents',
    event: event =>
      Buffer.from(
        encodeMessage({
          id: formatEventId(event.position, event.eventId),
          data: cloudEventDocument(event, source),
        }),
      ),
  }
}

/** Lines for `application/x-ndjson`. @param source as for `cloudEventDocument`. */
export function ndjsonCloudEvents(source: string): Encoding {
  return {
    ...ndjson,
    name: 'ndjson-cloudevents',
    event: event => Buffer.from(`${cloudEventDocument(event, source)}\n`),
  }
}

function attributesIn({ attributes }: CloudEventContent): Readonly<Record<string, unknown>> {
  const value: unknown = attributes ? JSON.parse(attributes) : {}
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function dataOf({ data }: CloudEventContent, form: unknown): CloudEventParts['data'] {
  if (form === undefined) return { member: 'data', text: data }
  if (form !== 'json' && form !== 'base64') return undefined
  const member = MEMBERS[form]
  return { member, text: memberText(data, member) }
}

/** The text of the only member of an object. */
function memberText(data: string, name: string): string {
  const [start = '', member] = FIRST_MEMBER.exec(data) ?? []
  const rest = member === name ? data.slice(start.length, data.lastIndexOf('}')).trim() : ''
  try {
    JSON.parse(rest)
    return rest
  } catch {
    // The object has other members too, or its name is written with escapes.
    return JSON.stringify(Object(JSON.parse(data))[name])
  }
}
