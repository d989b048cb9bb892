/** The problems of clients that do not hold a consumer. */
import { Problem } from '../problems/problem.js'

/** A live holder renews its lease as long as it is there, and another one's ends within this time. */
const RETRY_SECONDS = 5

export function consumerHeld(): Problem {
  const detail =
    'Another client holds this consumer. Try again later, or add `takeover=true`, which ends its stream.'
  return new Problem(409, 'consumer-held', detail, { retry_after: RETRY_SECONDS })
}

export function consumerLost(): Problem {
  const detail =
    'This epoch is not the present one: another client has claimed the consumer, or its place was changed. Request its events again, without `epoch`.'
  return new Problem(409, 'consumer-lost', detail)
}
