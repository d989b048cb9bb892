/** Publishes over HTTP: the same request under the same key until the gateway has answered, whatever fails in between. */
import { setTimeout as pause } from 'node:timers/promises'
import { dataOf } from '../../end-to-end/event-data.js'
import { nameOf, type Place } from '../../followers/place.js'
import { authorizationOf } from './credentials.js'
import { LARGE, type Publisher, type PublisherOptions } from './publisher.js'
import { ask, isPassing, RETRY_MS } from './request.js'
import { TYPES } from './streams.js'

/** @param most events in one request. */
export function httpPublisher(name: string, place: Place, most: number): Publisher {
  return async (n, options) => {
    const { random } = options
    const marks = marksOf(name, n, random.between(1, most))
    const events = marks.map(mark => ({ type: random.pick(TYPES), data: dataOf(mark, random, LARGE) }))
    const body = events.length === 1 ? events[0] : events
    await post({ place, name: `${name}-${n}`, type: 'application/json', body, marks }, options)
  }
}

export function cloudEventsPublisher(name: string, place: Place, most: number): Publisher {
  return async (n, options) => {
    const { random } = options
    const marks = marksOf(name, n, random.between(1, most))
    const context = { specversion: '1.0', source: '/load', datacontenttype: 'application/json' }
    const body = marks.map(id => ({
      ...context,
      id,
      type: random.pick(TYPES),
      data: dataOf(id, random, LARGE),
    }))
    await post(
      { place, name: `${name}-${n}`, type: 'application/cloudevents-batch+json', body, marks },
      options,
    )
  }
}

function marksOf(name: string, n: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${n}-${index}`)
}

interface Post {
  readonly place: Place
  /** Of the publish, and its idempotency key. */
  readonly name: string
  readonly type: string
  readonly body: unknown
  readonly marks: readonly string[]
}

/** Now and then it sends a request again that was answered, as one does whose answer was lost. */
async function post({ place, name, type, body, marks }: Post, options: PublisherOptions): Promise<void> {
  const { random, recorder, counts, givingUp } = options
  const { workspace, stream } = place
  const authorization = authorizationOf({ workspace, principal: 'publisher', role: 'editor' })
  const publish = recorder.publish(
    name,
    marks.map(mark => ({ stream: nameOf(place), mark })),
  )
  let isRefused = false
  for (let answers = random.chance(0.1) ? 2 : 1; answers > 0; ) {
    if (givingUp.aborted) {
      publish.unknown()
      counts.unknown += marks.length
      return
    }
    const answer = await ask(`${options.origin}/api/events?stream=${encodeURIComponent(stream)}`, {
      body,
      headers: { authorization: authorization(isRefused), 'content-type': type, 'idempotency-key': name },
    })
    isRefused = answer?.status === 401 || answer?.status === 403
    if (answer?.status === 201) answers -= 1
    else if (isPassing(answer)) await pause(RETRY_MS)
    else {
      publish.failed(`${answer?.status}`)
      counts.failed += marks.length
      return
    }
  }
  publish.acknowledged()
  counts.acknowledged += marks.length
}
