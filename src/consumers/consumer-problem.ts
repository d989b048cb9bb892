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

export function notHandedOut(): Problem {
  const detail =
    'The stream has no event with this id after the cursor, so it was not handed out. Send the id of an event as you received it.'
  return new Problem(409, 'not-handed-out', detail)
}
