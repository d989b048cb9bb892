/** An event as a sentence for people. Events of other types, and malformed ones, are shown as JSON. */
import type { Tone } from '../../pieces/badge.tsx'

export interface Sentence {
  /** The part number, if the event is about an item. */
  readonly part?: string
  readonly text: string
  /** Whether the text is JSON. */
  readonly raw: boolean
}

const MAX_TEXT = 400

/** A member that is missing makes the event malformed. */
const SENTENCES: Readonly<
  Record<string, (data: Record<string, unknown>) => readonly [text: string, ...unknown[]]>
> = {
  'item.created': ({ description, item_type }) => [
    `created as ${item_type}: ${description}`,
    description,
    item_type,
  ],
  'item.updated': ({ revision }) => [`changed, now at revision ${revision}`, revision],
  'item.deleted': () => ['deleted'],
  'revision.created': ({ revision_number, comment }) => [
    `revision ${revision_number}: ${comment}`,
    revision_number,
    comment,
  ],
}

const TONES: Readonly<Record<string, Tone>> = {
  created: 'green',
  completed: 'green',
  updated: 'blue',
  started: 'blue',
  deleted: 'red',
  failed: 'red',
  redacted: 'red',
  cancelled: 'amber',
  aborted: 'amber',
  interrupted: 'amber',
}

/** By the data of its event, because a list asks again at every rendering. */
const known = new WeakMap<object, Sentence>()

export function sentenceOf(type: string, data: unknown): Sentence {
  if (!isObject(data)) return rawOf(data)
  const sentence = known.get(data) ?? make(type, data)
  known.set(data, sentence)
  return sentence
}

function make(type: string, data: Record<string, unknown>): Sentence {
  const sentence = Object.hasOwn(SENTENCES, type) ? SENTENCES[type] : undefined
  if (!sentence || typeof data.part_number !== 'string') return rawOf(data)
  const [text, ...parts] = sentence(data)
  return parts.includes(undefined) ? rawOf(data) : { part: data.part_number, text: shorten(text), raw: false }
}

/** The one who caused the event, if its data says so. Admins also see the principal that the log has recorded (publishers.ts). */
export function actorOf(type: string, data: unknown): string | undefined {
  if (!isObject(data)) return undefined
  const actor = type === 'job.started' ? data.runner : data.actor
  return typeof actor === 'string' && actor !== '' ? shorten(actor) : undefined
}

/** The colour of a type, chosen by its last word, so that types of other applications have one too. */
export function toneOf(type: string): Tone {
  if (type.startsWith('revision.')) return 'violet'
  return TONES[type.slice(type.lastIndexOf('.') + 1)] ?? 'muted'
}

function rawOf(data: unknown): Sentence {
  return { text: shorten(JSON.stringify(data) ?? ''), raw: true }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

// An event can have 256 KiB.
function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}
