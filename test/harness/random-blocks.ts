/** Random input of each encoding of a stream, its bytes, and the messages that a client must get of them. */
import { durableEncoding } from '../../src/durable-streams/reading/sse-encoding.js'
import type { Position, StoredEvent } from '../../src/log/event.js'
import { formatEventId } from '../../src/log/event-id.js'
import { sseCloudEvents } from '../../src/sse/cloudevents.js'
import { sse } from '../../src/sse/encoding.js'
import { encodeMessage, type SseMessage } from '../../src/sse/frame.js'
import { sseMessages } from '../../src/sse/message-envelope.js'
import type { Random } from './random.js'
import { randomName, randomText } from './random-text.js'

export interface Block {
  readonly bytes: Uint8Array
  readonly messages: readonly Expected[]
  /** What the block leaves as the client's last event id; undefined if it does not touch it. */
  readonly id: string | undefined
}

export interface Expected {
  readonly type: string
  /** The data, or a judgement of it. */
  readonly data: string | ((data: string) => boolean)
}

/** Few, because a page must listen to each by its name. */
export const TYPES = [
  'message',
  'item.created',
  'data',
  'control',
  'server.state',
  'reset',
  'a:/b',
  'é',
  ':',
] as const
const STORED_TYPES = ['item.created', 'data', 'a:/b'] as const
const SPACES = ['', '', '', ' ', '\n', '\r\n', '\r', '\t'] as const
const NOTHING = Buffer.alloc(0)
const SOURCE = 'urn:test'
const cloudEvents = sseCloudEvents(SOURCE)
const options = { cursor: '7', lastsMs: 60_000 }
const durableJson = durableEncoding({ ...options, content: 'json' })
const durableText = durableEncoding({ ...options, content: 'text' })
const durableBytes = durableEncoding({ ...options, content: 'bytes' })

const KINDS = [
  plain,
  plain,
  plain,
  event,
  envelope,
  cloudEvent,
  notice,
  durableTexts,
  durableJsons,
  durableBinary,
] as const

export function randomBlock(random: Random): Block {
  return random.pick(KINDS)(random)
}

function plain(random: Random): Block {
  const has = random.integer(32)
  const message: SseMessage = {
    ...(has & 1 && { id: randomName(random) }),
    ...(has & 2 && { event: random.pick(['', ...TYPES]) }),
    ...(has & 4 && { comment: randomText(random) }),
    ...((has & 24) !== 0 && { data: randomText(random) }),
  }
  const data = message.data
  return {
    bytes: Buffer.from(encodeMessage(message)),
    messages: data === undefined ? [] : [{ type: message.event || 'message', data: normal(data) }],
    id: message.id === undefined ? undefined : wellFormed(message.id),
  }
}

function event(random: Random): Block {
  const stored = storedEvent(random, objectOf(random, { text: randomText(random) }))
  return block(sse.event(stored), stored, [{ type: stored.type, data: normal(stored.data) }])
}

function envelope(random: Random): Block {
  const data = { text: randomText(random) }
  const stored = storedEvent(random, objectOf(random, data))
  const isRight = hasMember(data)
  return block(sseMessages.event(stored), stored, [{ type: 'message', data: isRight }])
}

function cloudEvent(random: Random): Block {
  const data = { text: randomText(random) }
  const stored = {
    ...storedEvent(random, objectOf(random, data)),
    attributes: JSON.stringify({ subject: randomText(random) }),
  }
  return block(cloudEvents.event(stored), stored, [{ type: 'message', data: hasMember(data) }])
}

function notice(random: Random): Block {
  const data = { mode: 'normal', ignored: [randomText(random)] } as const
  const id = formatEventId(positionOf(random), UUID)
  const bytes = sse.notice({ name: 'server.state', data: { ...data, ignored: [...data.ignored] }, id })
  return { bytes: bytes ?? NOTHING, id, messages: [{ type: 'server.state', data: JSON.stringify(data) }] }
}

function durableTexts(random: Random): Block {
  const texts = Array.from({ length: 1 + random.integer(3) }, () => randomText(random))
  const events = texts.map(text => chunk(random, objectOf(random, { text })))
  const joined = texts.map(wellFormed).join('')
  return durable(durableText, events, joined === '' ? undefined : normal(joined))
}

function durableJsons(random: Random): Block {
  const texts = Array.from({ length: 1 + random.integer(3) }, () => randomText(random))
  const events = texts.map(text => chunk(random, objectOf(random, { json: [text] })))
  return durable(durableJson, events, data =>
    sameJson(
      data,
      texts.map(text => [text]),
    ),
  )
}

function durableBinary(random: Random): Block {
  const bytes = Buffer.from(Array.from({ length: 1 + random.integer(40) }, () => random.integer(256)))
  const base64 = bytes.toString('base64')
  return durable(durableBytes, [chunk(random, objectOf(random, { base64 }))], base64)
}

/** The blocks of one payload, and the control block after them. */
function durable(
  encoding: typeof durableText,
  events: readonly StoredEvent[],
  data: Expected['data'] | undefined,
): Block {
  const frames = events.map(each => encoding.event(each)).filter(({ length }) => length > 0)
  const last = events.at(-1) as StoredEvent
  const id = formatEventId(last.position, last.eventId)
  const offset = String(last.position).padStart(16, '0')
  const control = JSON.stringify({ streamNextOffset: offset, streamCursor: '7', upToDate: true })
  if (data === undefined || frames.length === 0) {
    const place = { position: last.position, eventId: last.eventId }
    return {
      bytes: encoding.caughtUp?.(place) ?? NOTHING,
      id,
      messages: [{ type: 'control', data: control }],
    }
  }
  return {
    bytes: Buffer.concat(encoding.assemble?.(frames, last, true) ?? []),
    id,
    messages: [
      { type: 'data', data },
      { type: 'control', data: control },
    ],
  }
}

const UUID = '0b8f6f3f-1a22-4f0b-9c1e-7d0f5a3e52c4'
const AT = new Date(1_700_000_000_000)

function storedEvent(random: Random, data: string): StoredEvent {
  return { position: positionOf(random), eventId: UUID, at: AT, type: random.pick(STORED_TYPES), data }
}

function chunk(random: Random, data: string): StoredEvent {
  return { ...storedEvent(random, data), type: 'chunk' }
}

function positionOf(random: Random): Position {
  return (1 + random.integer(1_000_000)) as Position
}

function block(bytes: Uint8Array, { position, eventId }: StoredEvent, messages: Expected[]): Block {
  return { bytes, messages, id: formatEventId(position, eventId) }
}

/** As a caller may write the JSON: with any space between the tokens, line ends too. */
function objectOf(random: Random, members: Readonly<Record<string, unknown>>): string {
  const space = () => random.pick(SPACES)
  const texts = Object.entries(members).map(
    ([name, value]) => `${space()}"${name}"${space()}:${space()}${JSON.stringify(value)}${space()}`,
  )
  return `{${texts.join(',')}}`
}

function hasMember(data: object): (text: string) => boolean {
  const wanted = JSON.stringify(data)
  return text => JSON.stringify(Object(JSON.parse(text)).data) === wanted
}

function sameJson(text: string, value: unknown): boolean {
  return JSON.stringify(JSON.parse(text)) === JSON.stringify(value)
}

/** A client joins the lines of data by LF, and gets U+FFFD for what UTF-8 cannot express. */
function normal(text: string): string {
  return wellFormed(text.replace(/\r\n|\r/g, '\n'))
}

function wellFormed(text: string): string {
  return Buffer.from(text).toString()
}

/** As JSON in ASCII, for the message of a failure: a test's report is lines of text too, and random characters break it. */
export function shown(value: unknown): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return String(JSON.stringify(value))
    .replace(/[^ -~]/g, escaped)
    .slice(0, 2_000)
}
