/**
 * CloudEvents 1.0 in their JSON format (https://github.com/cloudevents/spec, json-format.md) as events of the log.
 *
 * The log stores the type and the data of a CloudEvent. It does not store the other attributes; a publisher that needs them
 * puts them into the data. `source` and `id` together identify an occurrence (§3.1.1), so they are its idempotency key: a
 * CloudEvent that is delivered twice is stored once.
 */

import Type from 'typebox'
import { isJson } from '../bytes/media-type.js'
import { describedAs } from '../openapi/described.js'
import { Problem } from '../problems/problem.js'
import { EVENT_TYPE_PATTERN, EventData, EventType, type NewEvent } from './event.js'
import { hash } from './idempotency.js'

const TYPE = new RegExp(EVENT_TYPE_PATTERN)
/** Attribute names: lower-case letters and digits (§3.1); `data_base64` is a member of the JSON format. */
const ATTRIBUTE = /^(?:[a-z0-9]+|data_base64)$/

const Text = (description: string) => Type.String({ minLength: 1, description })

/** What a caller may send. `fromCloudEvent` checks it, with better messages than a schema gives. */
export const CloudEvent = describedAs(
  Type.Object({}),
  Type.Object(
    {
      specversion: Type.Literal('1.0'),
      id: Text('Identifies the occurrence together with `source`; an occurrence is stored once.'),
      source: Text('Where it happened: a URI reference.'),
      type: EventType,
      data: EventData,
      datacontenttype: Type.Optional(Type.String({ description: 'A JSON media type, if present.' })),
      dataschema: Type.Optional(Type.String({ description: 'Not stored.' })),
      subject: Type.Optional(Type.String({ description: 'Not stored.' })),
      time: Type.Optional(Type.String({ format: 'date-time', description: 'Not stored.' })),
    },
    { title: 'CloudEvent', description: 'CloudEvents 1.0. Extensions are accepted but not stored.' },
  ),
)

export interface ReceivedCloudEvent {
  readonly event: NewEvent
  /** For a request without an Idempotency-Key. */
  readonly idempotencyKey: string
}

/**
 * @param value a parsed JSON document. Each element of a batch is one such document and one publish.
 * @throws {Problem} 400 `invalid-cloudevent`, saying what is wrong.
 */
export function fromCloudEvent(value: unknown): ReceivedCloudEvent {
  const attributes = requireObject(value, 'A CloudEvent')
  const strange = Object.keys(attributes).find(name => !ATTRIBUTE.test(name))
  if (strange !== undefined) {
    throw invalid(`${JSON.stringify(strange.slice(0, 40))} is not an attribute name. Use a-z and 0-9 only.`)
  }
  if (attributes.specversion !== '1.0') throw invalid('specversion must be "1.0".')
  const id = requireText(attributes, 'id')
  const source = requireText(attributes, 'source')
  const type = requireText(attributes, 'type')
  if (!TYPE.test(type))
    throw invalid('type must have 1 to 128 letters, digits and . _ : / - and must start with a letter.')
  // Hashed, because source and id may have any characters and any length, and must stay distinct.
  return { event: { type, data: requireData(attributes) }, idempotencyKey: `ce:${hash([source, id])}` }
}

function requireData(attributes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { data, data_base64: binary, datacontenttype: mediaType } = attributes
  if (binary !== undefined)
    throw invalid('data_base64 is binary data, which an event cannot have. Send a JSON object in data.')
  if (mediaType !== undefined && !(typeof mediaType === 'string' && isJson(mediaType))) {
    throw invalid('datacontenttype is not JSON. Send a JSON object as application/json.')
  }
  return requireObject(data, 'data')
}

function requireObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${what} must be a JSON object.`)
  }
  return { ...value }
}

function requireText(attributes: Readonly<Record<string, unknown>>, name: string): string {
  const value = attributes[name]
  if (typeof value !== 'string' || value === '') throw invalid(`${name} must be a string that is not empty.`)
  return value
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid-cloudevent', detail)
}
