/** Two changes of an endpoint under the same epoch as one, the second on top of the first. */

import type { WaitingDelivery } from '../endpoint.js'
import type { EndpointChange } from './delivery-rows.js'

export function mergedChange(first: EndpointChange, second: EndpointChange): EndpointChange {
  const waiting = new Map(first.waiting.map(one => [keyOf(one), one]))
  const settled = new Map(first.settled.map(one => [keyOf(one), one]))
  for (const one of second.settled) {
    waiting.delete(keyOf(one))
    settled.set(keyOf(one), one)
  }
  for (const one of second.waiting) {
    settled.delete(keyOf(one))
    waiting.set(keyOf(one), one)
  }
  return {
    id: first.id,
    epoch: first.epoch,
    workspace: first.workspace,
    // A reset puts the cursor where the log continues; a cursor that was noted before it is behind that.
    cursor: second.cursor ?? (second.reset ? undefined : first.cursor),
    passed: second.passed ?? (second.reset ? undefined : first.passed),
    reset: second.reset ?? first.reset,
    replay: second.replay ?? first.replay,
    waiting: [...waiting.values()],
    settled: [...settled.values()],
    dead: [...first.dead, ...second.dead],
    succeededAt: second.succeededAt ?? first.succeededAt,
    failingSince: second.failingSince === undefined ? first.failingSince : second.failingSince,
    state: first.state ?? second.state,
  }
}

function keyOf({ lane, position }: Pick<WaitingDelivery, 'lane' | 'position'>): string {
  return `${lane} ${position}`
}
