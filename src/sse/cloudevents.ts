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
const MEMBERS: Readonly<Record<string, string>> = { json: 'data', base64: 'data_base64' }

/** @param source of events that were not published as CloudEvents. */
export function cloudEventDocument(event: StoredEvent, source: string): string {
  const { [DATA_FORM]: form, ...own } = attributesIn(event)
  const attributes = {
    specversion: '1.0',
    id: event.eventId,
    source,
    type: event.type,
    time: event.at.toISOString(),
    ...(event.traceparent && { traceparent: event.traceparent }),
    ...own,
    [ID_EXTENSION]: formatEventId(event.position, event.eventId),
  }
  return `${JSON.stringify(attributes).slice(0, -1)}${dataMember(event, form)}}`
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

function attributesIn({ attributes }: StoredEvent): Readonly<Record<string, unknown>> {
  const value: unknown = attributes ? JSON.parse(attributes) : {}
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/** The data as it is stored, except for line ends between its tokens, which a line must not contain. */
function dataMember({ data }: StoredEvent, form: unknown): string {
  if (form === undefined) return `,"data":${data.replace(/[\r\n]+/g, ' ')}`
  const name = MEMBERS[String(form)]
  if (name === undefined) return ''
  const held: unknown = JSON.parse(data)
  return `,"${name}":${JSON.stringify(Object(held)[name])}`
}
