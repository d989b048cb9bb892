/**
 * Shortens the data of an event so that its line has a maximum length. Readers of lines have such a maximum: that of Go's
 * bufio.Scanner is 64 KiB, and it stops at a longer line. Shortened data is still a JSON object, with the members that
 * clients need most, and `"truncated":true` as its last member.
 */
import { endWithin } from '../../bytes/json-text.js'

/** A member of at most this size is kept before any longer one, so that one long text does not displace all others. */
const SHORT_MEMBER_BYTES = 512
/** The longer member that is kept first: the text itself, in events of type `output` and `log`. */
const TEXT = 'line'
const MARK = 'truncated'
const MARK_BYTES = Buffer.byteLength(JSON.stringify({ [MARK]: true }))
/** The colon and the comma of a member. */
const MEMBER_BYTES = 2
const QUOTES_BYTES = 2

/**
 * @param data JSON text of an object.
 * @param maxBytes of the result in UTF-8; at least a few hundred.
 * @returns `data` itself if it is short enough. Else the short members; then `line`, and the other members in their order,
 *   as long as there is room. A text is cut where the room ends, any other value is left out.
 */
export function shortened(data: string, maxBytes: number): string {
  if (Buffer.byteLength(data) <= maxBytes) return data
  const members: Readonly<Record<string, unknown>> = JSON.parse(data)
  const entries = Object.entries(members).filter(([name]) => name !== MARK)
  const kept = new Map<string, unknown>()
  const longer: [name: string, value: unknown, bytes: number][] = []
  let left = maxBytes - MARK_BYTES
  const keep = (name: string, value: unknown, bytes: number) => {
    kept.set(name, value)
    left -= bytes
  }
  for (const [name, value] of entries) {
    const bytes = jsonBytes(name) + jsonBytes(value) + MEMBER_BYTES
    if (bytes > SHORT_MEMBER_BYTES || left < maxBytes / 2) longer.push([name, value, bytes])
    else keep(name, value, bytes)
  }
  for (const [name, value, bytes] of [
    ...longer.filter(isText),
    ...longer.filter(member => !isText(member)),
  ]) {
    const room = left - jsonBytes(name) - MEMBER_BYTES - QUOTES_BYTES
    if (bytes <= left) keep(name, value, bytes)
    else if (typeof value === 'string' && room > 0) {
      const text = value.slice(0, endWithin(value, 0, room))
      keep(name, text, jsonBytes(name) + jsonBytes(text) + MEMBER_BYTES)
    }
  }
  // In their order.
  const rest = entries.flatMap(([name]) => (kept.has(name) ? [[name, kept.get(name)]] : []))
  return JSON.stringify({ ...Object.fromEntries(rest), [MARK]: true })
}

function isText([name]: readonly [name: string, ...unknown[]]): boolean {
  return name === TEXT
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
