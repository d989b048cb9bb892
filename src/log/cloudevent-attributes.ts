/**
 * The attributes of a CloudEvent besides `specversion`, `type` and its data, as they are stored: a JSON object, with one member more
 * for the form of the data, whose name is no attribute name.
 */
import { Problem } from '../problems/problem.js'
import { MAX_ATTRIBUTES_BYTES } from './event.js'

/** The extension by which Sluice gives the event id. A publisher's own is not kept. */
export const ID_EXTENSION = 'sluiceid'
export const DATA_FORM = 'data_form'
/** How the data of an event holds the data of a CloudEvent that is no JSON object. */
export type DataForm = 'json' | 'base64' | 'none'

/** Lower-case letters and digits (§3.1). */
const NAME = /^[a-z0-9]+$/
const TEXTS = ['subject', 'datacontenttype', 'dataschema']
/** RFC 3339 §5.6. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,30})?(?:Z|[+-]\d\d:\d\d)$/i
const MAX_INTEGER = 2 ** 31

/**
 * The attributes as JSON text.
 * @throws {Problem} 400 `invalid-cloudevent`.
 */
export function attributesOf(
  attributes: Readonly<Record<string, unknown>>,
  form: DataForm | undefined,
): string {
  // An attribute that is null is absent (JSON format, §2.2).
  const given = Object.entries(attributes).filter(([, value]) => value !== null && value !== undefined)
  for (const [name, value] of given) requireAttribute(name, value)
  const kept = given.filter(([name]) => name !== ID_EXTENSION)
  const text = JSON.stringify({ ...Object.fromEntries(kept), ...(form && { [DATA_FORM]: form }) })
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_ATTRIBUTES_BYTES) {
    throw invalidCloudEvent(
      `The attributes are ${bytes} bytes of JSON; the limit is ${MAX_ATTRIBUTES_BYTES}. Move some of them into the data.`,
    )
  }
  return text
}

export function requireText(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw invalidCloudEvent(`${name} must be a string that is not empty.`)
}

export function invalidCloudEvent(detail: string): Problem {
  return new Problem(400, 'invalid-cloudevent', detail)
}

function requireAttribute(name: string, value: unknown): void {
  if (!NAME.test(name)) {
    throw invalidCloudEvent(
      `${JSON.stringify(name.slice(0, 40))} is not an attribute name. Use a-z and 0-9 only.`,
    )
  }
  if (TEXTS.includes(name)) requireText(name, value)
  else if (name === 'time' && !(typeof value === 'string' && TIME.test(value))) {
    throw invalidCloudEvent('time must be as in RFC 3339, such as 2026-01-31T23:59:00Z.')
  } else if (!isValue(value)) {
    throw invalidCloudEvent(
      `${name} must be a string, a boolean, or a whole number of 32 bits. Send it as a string.`,
    )
  }
}

/** The types of attributes that JSON distinguishes (JSON format, §2.2). */
function isValue(value: unknown): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= -MAX_INTEGER && value < MAX_INTEGER
  return typeof value === 'string' || typeof value === 'boolean'
}
