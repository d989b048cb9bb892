/**
 * Appends to a durable stream as a producer with numbers, so that the same request may be sent until it is answered. Now and then it
 * starts again with a new epoch, and its former self, which does not know of that, comes late with another append.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { dataOf } from '../../end-to-end/event-data.js'
import { nameOf, type Place } from '../../followers/place.js'
import { authorizationOf } from './credentials.js'
import { LARGE, type Publisher, type PublisherOptions } from './publisher.js'
import { type Answer, ask, isPassing, RETRY_MS } from './request.js'

/** How often it starts again. */
const RESTARTS = 0.1
const STALE = 403
const GAPS = [400, 409]

interface Numbers {
  readonly epoch: number
  readonly seq: number
}

/** @param most messages in one request. */
export function durablePublisher(name: string, place: Place, most: number): Publisher {
  let numbers: Numbers = { epoch: 0, seq: -1 }
  return async (n, options) => {
    const former = options.random.chance(RESTARTS) ? numbers : undefined
    numbers = former ? { epoch: former.epoch + 1, seq: 0 } : { ...numbers, seq: numbers.seq + 1 }
    const append = appendOf(`${name}-${n}`, name, place, most, options)
    for (
      let answer = await append.send(numbers);
      GAPS.includes(answer?.status ?? 0) && !(answer?.status === 400 && numbers.seq === 0);
      answer = await append.send(numbers)
    )
      // A lost tail has taken the numbers too, so that this one leaves a gap: nothing was stored.
      numbers = { epoch: numbers.epoch + 1, seq: 0 }
    if (append.end() && former) {
      const late = appendOf(`${name}-${n}-late`, name, place, most, options)
      await late.send({ ...former, seq: former.seq + 1 })
      late.refused()
    }
  }
}

function appendOf(
  publishName: string,
  producer: string,
  place: Place,
  most: number,
  options: PublisherOptions,
) {
  const { random, recorder, counts, givingUp, origin } = options
  const { workspace, stream } = place
  const authorization = authorizationOf({ workspace, principal: 'publisher', role: 'editor' })(false)
  const marks = Array.from({ length: random.between(1, most) }, (_, index) => `${publishName}-${index}`)
  const body = marks.map(mark => dataOf(mark, random, LARGE))
  const publish = recorder.publish(
    publishName,
    marks.map(mark => ({ stream: nameOf(place), mark })),
  )
  let answer: Answer | undefined
  return {
    /** The same request again until it is answered. */
    async send({ epoch, seq }: Numbers): Promise<Answer | undefined> {
      const numbers = { 'producer-id': producer, 'producer-epoch': `${epoch}`, 'producer-seq': `${seq}` }
      do {
        answer = await ask(`${origin}/v1/stream/${stream}`, { headers: { authorization, ...numbers }, body })
        if (answer?.status === STALE || !isPassing(answer)) return answer
        await pause(RETRY_MS)
      } while (!givingUp.aborted)
      answer = undefined
      return undefined
    },
    /** @returns whether it is stored. */
    end(): boolean {
      const isStored = answer?.status === 200 || answer?.status === 204
      if (isStored) publish.acknowledged()
      else if (answer) publish.failed(`${answer.status}`)
      else publish.unknown()
      counts[isStored ? 'acknowledged' : answer ? 'failed' : 'unknown'] += marks.length
      return isStored
    },
    refused(): void {
      publish.failed('fenced')
      counts.failed += marks.length
    },
  }
}
