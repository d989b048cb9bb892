/**
 * The content of the events that an executor reports on a run. A live message and the snapshot both take it from here, so a
 * client that adds each message to its snapshot has the state of a client that gets a new snapshot.
 */

/** The members of a JSON object. */
export type Members = Readonly<Record<string, unknown>>

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
  const said = data.message ?? data.line ?? data
  return typeof said === 'string' ? said : JSON.stringify(said)
}

/** The result in the data of a `result` event: the data itself, or its member `result` if it has no other. */
export function resultOf(data: Members): Members {
  return unwrapped('result', 'result', data)
}

/** The fields in the data of an update, which are its own members, or those of `run` if it has no other member. */
export function updateOf(type: string, data: Members): Members {
  return fieldsOf(unwrapped(type, 'run', data))
}

/** The fields that a payload, a result or an update gives a run. */
export function fieldsOf(members: Members): Members {
  const fields = Object.entries(members).filter(([name]) => !OWN_FIELDS.has(name))
  return Object.fromEntries(fields.flatMap(([name, value]) => fieldOf(name, value)))
}

/** `logs` and `results` replace the lists so far. They are ignored unless they are lists, because clients would fail. */
function fieldOf(name: string, value: unknown): [string, unknown][] {
  if (name !== 'logs' && name !== 'results') return [[name, value]]
  if (!Array.isArray(value)) return []
  const entry = (each: unknown) => (name === 'logs' ? logOf(each) : isMembers(each) ? resultOf(each) : each)
  return [[name, value.map(entry)]]
}

function logOf(entry: unknown): string {
  if (isMembers(entry)) return textOf(entry)
  return typeof entry === 'string' ? entry : JSON.stringify(entry)
}

/** Executors also send a whole message as data. Then its `type` repeats the type of the event, and is not content. */
function unwrapped(type: string, name: string, data: Members): Members {
  const members = Object.entries(data).filter(([key, value]) => key !== 'type' || value !== type)
  const [first, ...others] = members
  const content = others.length === 0 && first?.[0] === name ? first[1] : undefined
  return isMembers(content) ? content : Object.fromEntries(members)
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
