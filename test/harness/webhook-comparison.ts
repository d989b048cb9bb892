/** Compares what a receiver got with what the log says that it had to get. */
import { Webhook } from 'standardwebhooks'
import type { ReceivedRequest } from './hostile-receiver.js'

export interface LoggedEvent {
  /** The UUID, which is the `webhook-id` of each delivery. */
  readonly uuid: string
  /** The event id. */
  readonly id: string
  readonly position: number
  readonly workspace: string
  readonly type: string
  /** The stored text. */
  readonly data: string
}

export interface Expectation {
  /** All events that it had to get, in the order of the log. */
  readonly events: readonly LoggedEvent[]
  /** An event may arrive only after all that precede it were accepted. */
  readonly isOrdered: boolean
  /** Each of these signs every request. */
  readonly secrets: readonly string[]
}

export interface Comparison {
  /** Sentences, of the first faults of each kind; none: all is as it must be. */
  readonly faults: readonly string[]
  /** Events that were accepted more than once, as happens when a gateway is killed before it stores an outcome. */
  readonly repeats: number
}

const MOST_FAULTS = 5

export function compare(
  received: readonly ReceivedRequest[],
  { events, isOrdered, secrets }: Expectation,
): Comparison {
  const places = new Map(events.map(({ uuid }, place) => [uuid, place]))
  const accepted = new Map<string, number>()
  let repeats = 0
  for (const { headers, accepted: number } of received) {
    if (number === undefined) continue
    const uuid = String(headers['webhook-id'])
    if (accepted.has(uuid)) repeats += 1
    accepted.set(uuid, Math.min(number, accepted.get(uuid) ?? number))
  }
  // The number by which all events up to a place were accepted.
  let latest = 0
  const acceptedUpTo = events.map(({ uuid }) => {
    latest = Math.max(latest, accepted.get(uuid) ?? Number.POSITIVE_INFINITY)
    return latest
  })
  const missing = events.filter(({ uuid }) => !accepted.has(uuid)).map(({ id }) => `${id} was never accepted`)
  const wrong = received.flatMap(request => {
    const place = places.get(String(request.headers['webhook-id']))
    const event = place === undefined ? undefined : events[place]
    if (place === undefined || !event) return [`${describe(request)} is none of its events`]
    const isEarly = isOrdered && place > 0 && (acceptedUpTo[place - 1] ?? 0) > request.arrived
    return [
      ...(isEarly ? [`${describe(request)} arrived before an event that precedes it was accepted`] : []),
      ...faultsOf(request, event),
      ...secrets
        .filter(secret => !isSignedWith(secret, request))
        .map(() => `${describe(request)} is not signed`),
    ]
  })
  return { faults: [...missing.slice(0, MOST_FAULTS), ...wrong.slice(0, MOST_FAULTS)], repeats }
}

function* faultsOf(request: ReceivedRequest, event: LoggedEvent) {
  if (request.headers['sluice-event-id'] !== event.id)
    yield `${describe(request)} is named ${request.headers['sluice-event-id']} instead of ${event.id}`
  if (!request.body.includes(event.data)) yield `${describe(request)} has other data than ${event.data}`
}

export function isSignedWith(secret: string, { headers, body }: ReceivedRequest): boolean {
  const at = new Date(Number(headers['webhook-timestamp']) * 1_000)
  const signature = new Webhook(secret).sign(String(headers['webhook-id']), at, body)
  return String(headers['webhook-signature']).split(' ').includes(signature)
}

function describe({ path, headers }: ReceivedRequest): string {
  return `${path}: attempt ${headers['sluice-attempt']} of ${headers['sluice-event-id']} (${headers['webhook-id']})`
}
