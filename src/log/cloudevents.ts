/**
 * CloudEvents 1.0 in their JSON format (https://github.com/cloudevents/spec, json-format.md) as events of the log.
 *
 * The data of an event is a JSON object. Data of a CloudEvent that is a JSON object is the event's data as it is; any other is a
 * member of that object, under the name that it has in the JSON format. The other attributes are stored beside the data, so the
 * same CloudEvent can be read again (sse/cloudevents.ts). `source` and `id` together identify an occurrence (§3.1.1), so they are
 * its idempotency key: a CloudEvent that is delivered twice is stored once.
 */

import Type from 'typebox'
import { describedAs } from '../openapi/described.js'
import { traceparentIn } from '../tracing/traceparent.js'
import { attributesOf, type DataForm, invalidCloudEvent, requireText } from './cloudevent-attributes.js'
import { EVENT_TYPE_PATTERN, EventType, type NewEvent } from './event.js'
import { hash } from './idempotency.js'

export const CLOUDEVENT = 'application/cloudevents+json'
export const CLOUDEVENT_BATCH = 'application/cloudevents-batch+json'

const TYPE = new RegExp(EVENT_TYPE_PATTERN)
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

const Text = (description: string) => Type.String({ minLength: 1, description })

/** What a caller may send, and what it gets. `fromCloudEvent` checks it, with better messages than a schema gives. */
export const CloudEvent = describedAs(
  Type.Object({}),
  Type.Object(
    {
      specversion: Type.Literal('1.0'),
      id: Text('Identifies the occurrence together with `source`; an occurrence is stored once.'),
      source: Text('Where it happened: a URI reference.'),
      type: EventType,
      data: Type.Optional(Type.Unknown({ description: 'Any JSON value.' })),
      data_base64: Type.Optional(Type.String({ description: 'Binary data, in place of `data`.' })),
      datacontenttype: Type.Optional(
        Type.String({ description: 'The media type of the data. Default: JSON.' }),
      ),
      dataschema: Type.Optional(Type.String()),
      subject: Type.Optional(Type.String()),
      time: Type.Optional(Type.String({ format: 'date-time' })),
    },
    {
      title: 'CloudEvent',
      description: 'CloudEvents 1.0. Extensions are kept.',
      examples: [
        {
          specversion: '1.0',
          id: 'A-1',
          source: '/orders',
          type: 'order.placed',
          data: { order: 7, total: 42 },
        },
      ],
    },
  ),
)

export interface ReceivedCloudEvent {
  readonly event: NewEvent & { readonly attributes: string; readonly traceparent: string | undefined }
  /** For a request without an Idempotency-Key. */
  readonly idempotencyKey: string
}

/**
 * @param value a parsed JSON document. Each element of a batch is one such document and one publish.
 * @throws {Problem} 400 `invalid-cloudevent`, saying what is wrong.
 */
export function fromCloudEvent(value: unknown): ReceivedCloudEvent {
  if (!isObject(value)) throw invalidCloudEvent('A CloudEvent must be a JSON object.')
  const { specversion, type, data, data_base64, ...others } = value
  if (specversion !== '1.0') throw invalidCloudEvent('specversion must be "1.0".')
  const id = requireText('id', others.id)
  const source = requireText('source', others.source)
  const name = requireText('type', type)
  if (!TYPE.test(name)) {
    throw invalidCloudEvent(
      'type must have 1 to 128 letters, digits and . _ : / - and must start with a letter.',
    )
  }
  const held = dataHolding(data, data_base64)
  return {
    event: {
      type: name,
      data: held.data,
      attributes: attributesOf(others, held.form),
      // The extension of distributed tracing (https://github.com/cloudevents/spec, extensions/distributed-tracing.md).
      traceparent: traceparentIn(others.traceparent),
    },
    // Hashed, because source and id may have any characters and any length, and must stay distinct.
    idempotencyKey: `ce:${hash([source, id])}`,
  }
}

function dataHolding(
  data: unknown,
  base64: unknown,
): { readonly data: Record<string, unknown>; readonly form: DataForm | undefined } {
  if (base64 !== undefined && base64 !== null) {
    if (data !== undefined) throw invalidCloudEvent('data and data_base64 exclude each other. Send one.')
    if (typeof base64 !== 'string' || base64.length % 4 > 0 || !BASE64.test(base64)) {
      throw invalidCloudEvent('data_base64 must be a string in base64.')
    }
    return { data: { data_base64: base64 }, form: 'base64' }
  }
  if (data === undefined) return { data: {}, form: 'none' }
  return isObject(data) ? { data, form: undefined } : { data: { data }, form: 'json' }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
