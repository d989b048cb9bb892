/** What a consumer or a webhook hands out: it must be an event of the log, unchanged, and one that the receiver wants. */
import { matches, placeOf, type StreamLog, type Wanted } from './stream-log.js'
import type { Rule } from './verdict.js'

/** @returns its position if it is an event that the table has or had until retention; undefined if it was lost, or is wrong. */
export function positionIn(
  log: StreamLog,
  wanted: Wanted,
  { id, type, h, t }: { readonly id: string; readonly type: string; readonly h: string; readonly t: number },
  found: (rule: Rule, describe: () => string) => void,
): number | undefined {
  const place = placeOf(id)
  const isStored = place !== undefined && place.position > log.first.position && log.has(place)
  const lost = log.lost.get(id)
  if (isStored ? !log.isSame(place.position, wanted.form, h, t) : lost && lost.h[wanted.form] !== h)
    found('bytes', () => `${id} has the hash ${h}`)
  else if (!isStored && !lost && !(place && log.isOlder(place)))
    found('unstored', () => `${id} of the type ${type}`)
  if (!matches(type, wanted.types)) found('filter', () => `${id} has the type ${type}`)
  return isStored ? place.position : undefined
}
