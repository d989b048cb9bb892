/**
 * Offsets of Durable Streams (PROTOCOL §8): the position of the last message that the client has, with as many digits as the
 * largest position needs, so that offsets sort as texts. Clients must not look into them.
 */

import type { StartAt } from '../../hub/start.js'
import type { Position } from '../../log/event.js'
import { parseEventId } from '../../log/event-id.js'

const DIGITS = 16
const OFFSET = /^([0-9]{16}|(0|[1-9][0-9]{0,15})\.[a-z2-7]{6})$/
/** The place before the first message, as the protocol's reference servers write it. */
const START_ELSEWHERE = '0000000000000000_0000000000000000'

export function formatOffset(position: number): string {
  return String(position).padStart(DIGITS, '0')
}

/**
 * The place that an offset names: `-1`, `now`, an offset of ours, or an event id, which is compared by identity too.
 * @returns undefined for any other text.
 */
export function parseOffset(text: string): StartAt | undefined {
  if (text === '-1') return { at: 'beginning' }
  if (text === 'now') return { at: 'now' }
  if (text === START_ELSEWHERE) return { at: 'after', id: { position: 0 as Position, check: undefined } }
  if (!OFFSET.test(text)) return undefined
  const id = parseEventId(text.includes('.') ? text : String(Number(text)))
  return id && { at: 'after', id }
}
