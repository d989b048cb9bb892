/**
 * The content of the events that an executor reports on a run. A live message and the snapshot both take it from here, so a
 * client that adds each message to its snapshot has the state of a client that gets a new snapshot.
 */
import { isRedacted } from '../../log/redacted-data.js'

/** The members of a JSON object. */
export type Members = Readonly<Record<string, unknown>>
/** Names and values. Not an object: a run may have many thousands, and building objects of that size is slow. */
export type Fields = readonly (readonly [name: string, value: unknown])[]

/** Fields that only the gateway sets: it ignores them in payloads, results and reported updates. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'kind',
  'status',
  'createdAt',
  'endedAt',
  'result',
  'artifacts',
  'logsTruncated',
  'resultsTruncated',
  'updatesTruncated',
])

/** The text of a log: its `message`, or else its `line`. A value that is not a string becomes its JSON text. */
export function textOf(data: Members): string {
  return asText(data.message ?? data.line ?? data)
}

/** The result in the data of a `result` event: the data itself, or its member `result` if it has no other. */
export function resultOf(data: Members): Members {
  return unwrapped('result', 'result', data)
}

/** The fields in the data of an update, which are its own members, or those of `run` if it has no other member. */
export function updateOf(type: string, data: Members): Fields {
  return fieldsOf(unwrapped(type, 'run', data))
}

/** The fields that a payload, a result or an update gives a run: none if it was redacted. */
export function fieldsOf(members: Members): Fields {
  if (isRedacted(members)) return []
  const fields: [string, unknown][] = []
  for (const [name, value] of Object.entries(members)) {
    if (OWN_FIELDS.has(name)) continue
    // These replace the lists so far. They are ignored unless they are lists, because clients would fail.
    if (name !== 'logs' && name !== 'results') fields.push([name, value])
    else if (Array.isArray(value)) fields.push([name, value.map(name === 'logs' ? logOf : entryOf)])
  }
  return fields
}

function logOf(entry: unknown): string {
  return isMembers(entry) ? textOf(entry) : asText(entry)
}

function entryOf(entry: unknown): unknown {
  return isMembers(entry) ? resultOf(entry) : entry
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Executors also send a whole message as data. Then its `type` repeats the type of the event, and is not content. */
function unwrapped(type: string, name: string, data: Members): Members {
  const members = data.type === type ? withoutType(data) : data
  const content = members[name]
  return isMembers(content) && Object.keys(members).length === 1 ? content : members
}

function withoutType({ type: _, ...members }: Members): Members {
  return members
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
