/**
 * The text of a wake in a NOTIFY: `<sender>:<stream>,<stream>…`. It has stream numbers only, never data: every role of the
 * database may LISTEN, and a payload must be shorter than 8,000 bytes (PostgreSQL manual, NOTIFY). Any role can forge a wake,
 * so the text is parsed strictly; a forged one costs at most a read that finds nothing.
 */
import type { StreamId } from '../log/event.js'

/** The NOTIFY channel; sluice.publish (migrations/0007_publish.sql) names it too. */
export const WAKE_CHANNEL = 'sluice_wake'

const MAX_PAYLOAD_BYTES = 7_900
const PAYLOAD = /^([A-Za-z0-9-]{0,64}):([0-9]{1,16}(?:,[0-9]{1,16})*)?$/

export interface WakeText {
  /** The process that sent it; empty if it came from SQL. */
  readonly sender: string
  /** Empty for a canary. */
  readonly streams: readonly StreamId[]
}

/** The payloads that carry the streams, as few as possible. */
export function formatWakes(sender: string, streams: Iterable<StreamId>): string[] {
  const payloads: string[] = []
  let payload = `${sender}:`
  for (const stream of streams) {
    const separator = payload.endsWith(':') ? '' : ','
    if (payload.length + separator.length + String(stream).length > MAX_PAYLOAD_BYTES) {
      payloads.push(payload)
      payload = `${sender}:${stream}`
    } else payload += `${separator}${stream}`
  }
  if (!payload.endsWith(':')) payloads.push(payload)
  return payloads
}

/** Undefined for a payload that is not a wake. */
export function parseWake(payload: unknown): WakeText | undefined {
  const parts = typeof payload === 'string' ? PAYLOAD.exec(payload) : null
  if (!parts) return undefined
  const streams = parts[2]?.split(',').map(Number).filter(Number.isSafeInteger) ?? []
  return { sender: parts[1] ?? '', streams: streams as StreamId[] }
}
