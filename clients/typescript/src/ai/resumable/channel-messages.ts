/**
 * The messages of a channel as JSON. A text stays a text. One that the log does not take, because it has half a surrogate pair (a cut
 * emoji) or a NUL, becomes the numbers of its UTF-16 units; one that is longer than an event may be becomes several parts.
 */
import { newKey } from '../../publish.js'

/** A character has at most six bytes in JSON, and an event 256 KiB. */
const PART = 32_768

interface Part {
  /** The id of a message that has several parts. */
  readonly id?: string
  readonly text?: string
  readonly units?: readonly number[]
  readonly more?: boolean
}

/** @returns the JSON of the parts, in their order. */
export function messagesOf(message: string): string[] {
  if (message.length <= PART && isPlain(message)) return [JSON.stringify(message)]
  const id = newKey()
  const parts: string[] = []
  for (let at = 0; at === 0 || at < message.length; at += PART) {
    const text = message.slice(at, at + PART)
    const content = isPlain(text) ? { text } : { units: unitsOf(text) }
    parts.push(JSON.stringify({ id, ...content, more: at + PART < message.length }))
  }
  return parts
}

/** @returns a function that takes the JSON values of a channel, and returns the message that one completes. */
export function messageReader(): (value: unknown) => string | undefined {
  const begun = new Map<string, string>()
  return value => {
    if (typeof value === 'string') return value
    if (typeof value !== 'object' || value === null) return undefined
    const { id = '', text, units = [], more }: Part = value
    const message = (begun.get(id) ?? '') + (text ?? String.fromCharCode(...units))
    if (more) begun.set(id, message)
    else begun.delete(id)
    return more ? undefined : message
  }
}

/** With the flag u, halves of a pair that stand alone. */
const NOT_PLAIN = /[\uD800-\uDFFF\0]/u

function isPlain(text: string): boolean {
  return !NOT_PLAIN.test(text)
}

function unitsOf(text: string): number[] {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))
}
