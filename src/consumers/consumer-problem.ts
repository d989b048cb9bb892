/** The refusals of consumers. */
import { Problem } from '../problems/problem.js'

export function consumerExists(name: string, stream: string): Problem {
  const detail = `The consumer ${name} reads another stream than ${stream}. A consumer keeps its stream: delete it, or choose another name.`
  return new Problem(409, 'consumer-exists', detail)
}

export function tooManyConsumers(cause: unknown): Problem {
  const detail = 'A workspace can have 1,000 consumers. Delete some that nobody uses.'
  return new Problem(409, 'too-many-consumers', detail, {}, { cause })
}

/** The epoch of the caller is not the present one. */
export function consumerLost(): Problem {
  const detail =
    'You no longer hold this consumer: another client took it over, or its cursor or filter was changed. The event was not acknowledged and is handed out again. Open the consumer again.'
  return new Problem(409, 'consumer-lost', detail)
}

export function notHandedOut(): Problem {
  const detail =
    'The stream has no event with this id after the cursor, so it was not handed out. Send the id of an event as you received it.'
  return new Problem(409, 'not-handed-out', detail)
}
