/**
 * Writes the messages of the bus (wake-message.ts). It leaves events out, and wakes their stream instead, if one of them is larger
 * than a message, if they are too many for one delivery, or if their publisher does not know the event before them.
 */
import { type Committed, isSmall } from '../log/committed.js'
import type { StoredEvent, StreamId } from '../log/event.js'
import type { Wake } from './bus.js'
import { type EventTuple, MAX_MESSAGE_BYTES, type MessagePlace } from './wake-message.js'

/** The line without its streams. */
const MAX_LINE_BYTES = 'sluice1'.length + 64 + 64 + 15 + 43 + 12

/**
 * The messages that carry all of it, as few as possible, each of at most `maxBytes`. Nothing to carry makes one message too: a canary.
 */
export function formatMessages(
  place: MessagePlace,
  content: { readonly wake?: Wake; readonly committed?: readonly Committed[] },
  maxBytes = MAX_MESSAGE_BYTES,
): Buffer[] {
  const { wake = [], committed = [] } = content
  const writer = new MessageWriter(place, Math.min(maxBytes, MAX_MESSAGE_BYTES))
  if (wake === 'all') writer.wakeAll()
  else for (const stream of wake) writer.wake(stream)
  for (const each of committed) writer.carry(each)
  return writer.end()
}

class MessageWriter {
  readonly #place: MessagePlace
  readonly #maxBytes: number
  readonly #messages: Buffer[] = []
  #wakesAll = false
  #woken = new Set<StreamId>()
  #carried = new Set<StreamId>()
  #parts: string[] = []
  #bytes = MAX_LINE_BYTES

  constructor(place: MessagePlace, maxBytes: number) {
    this.#place = place
    this.#maxBytes = maxBytes
  }

  wakeAll(): void {
    this.#wakesAll = true
  }

  wake(stream: StreamId): void {
    if (this.#woken.has(stream)) return
    this.#makeRoom(lengthIn(stream))
    this.#woken.add(stream)
    this.#bytes += lengthIn(stream)
  }

  carry(committed: Committed): void {
    if (!this.#carry(committed)) this.wake(committed.streamId)
  }

  #carry({ streamId, way, previous, events }: Committed): boolean {
    const { key, history } = this.#place
    if (!key || history === undefined || previous === null || !isSmall(events)) return false
    const texts = events.map(event => JSON.stringify(tupleOf(event)))
    const sizes = texts.map(text => Buffer.byteLength(text) + 1)
    const frame = `,[${streamId},"${way}","${previous}",[]]`.length + lengthIn(streamId)
    if (MAX_LINE_BYTES + frame + Math.max(...sizes) > this.#maxBytes) return false
    for (let first = 0, next = 0; next < texts.length; first = next) {
      this.#makeRoom(frame + (sizes[first] ?? 0))
      this.#bytes += frame
      do this.#bytes += sizes[next++] ?? 0
      while (this.#bytes + (sizes[next] ?? this.#maxBytes) <= this.#maxBytes)
      const before = events[first - 1]?.eventId ?? previous
      this.#parts.push(
        `[${streamId},${JSON.stringify(way ?? null)},"${before}",[${texts.slice(first, next)}]]`,
      )
      this.#carried.add(streamId)
    }
    return true
  }

  end(): Buffer[] {
    if (this.#bytes > MAX_LINE_BYTES || this.#wakesAll || this.#messages.length === 0) this.#close()
    return this.#messages
  }

  #makeRoom(bytes: number): void {
    if (this.#bytes + bytes > this.#maxBytes) this.#close()
  }

  #close(): void {
    const { self, history = '-', key, at } = this.#place
    const woken = this.#wakesAll ? 'all' : [...this.#woken]
    const head = `sluice1 ${self} ${history} ${Math.round(at)} ${woken} ${[...this.#carried]}`
    const body = this.#parts.length > 0 ? `[${this.#parts}]` : ''
    this.#messages.push(Buffer.from(`${head} ${key?.sign(head, body) ?? '-'}\n${body}`))
    this.#wakesAll = false
    this.#woken = new Set()
    this.#carried = new Set()
    this.#parts = []
    this.#bytes = MAX_LINE_BYTES
  }
}

/** The characters that the number of a stream takes in the first line, with its comma. */
function lengthIn(stream: StreamId): number {
  return String(stream).length + 1
}

function tupleOf({ position, eventId, at, type, data, attributes, traceparent }: StoredEvent): EventTuple {
  return [position, eventId, at.getTime(), type, data, attributes ?? null, traceparent ?? null]
}
