/** Appends to a durable stream as a producer with numbers, so that the same request may be sent until it is answered. */
import { setTimeout as pause } from 'node:timers/promises'
import { dataOf } from '../../end-to-end/event-data.js'
import { authorizationOf } from './credentials.js'
import { LARGE, type Publisher } from './publisher.js'
import { ask, isPassing, RETRY_MS } from './request.js'
import { nameOf, type Place } from './streams.js'

/** @param most messages in one request. */
export function durablePublisher(name: string, place: Place, most: number): Publisher {
  const { workspace, stream } = place
  const authorization = authorizationOf({ workspace, principal: 'publisher', role: 'editor' })(false)
  let epoch = 0
  let seq = -1
  return async (n, { random, recorder, counts, givingUp, origin }) => {
    const marks = Array.from({ length: random.between(1, most) }, (_, index) => `${name}-${n}-${index}`)
    const body = marks.map(mark => dataOf(mark, random, LARGE))
    const publish = recorder.publish(
      `${name}-${n}`,
      marks.map(mark => ({ stream: nameOf(place), mark })),
    )
    for (seq += 1; !givingUp.aborted; ) {
      const numbers = { 'producer-id': name, 'producer-epoch': `${epoch}`, 'producer-seq': `${seq}` }
      const answer = await ask(`${origin}/v1/stream/${stream}`, {
        headers: { authorization, ...numbers },
        body,
      })
      if (answer?.status === 200 || answer?.status === 204) {
        publish.acknowledged()
        counts.acknowledged += marks.length
        return
      }
      if (isPassing(answer)) await pause(RETRY_MS)
      else if (answer?.status === 409) {
        // A lost tail has taken the numbers too, so that this one leaves a gap: nothing was stored.
        epoch += 1
        seq = 0
      } else {
        publish.failed(`${answer?.status}`)
        counts.failed += marks.length
        return
      }
    }
    publish.unknown()
    counts.unknown += marks.length
  }
}
