/** The refusals of subscriptions: problem documents with the member `error` of the protocol (§7). */
import { Problem } from '../../problems/problem.js'
import { MAX_EXPLICIT_LINKS, MAX_LINKS, MAX_SUBSCRIPTIONS } from './subscription.js'

function refusal(
  status: number,
  code: string,
  protocolCode: string,
  detail: string,
  members: { readonly current_holder?: string; readonly generation?: number } = {},
): Problem {
  return new Problem(status, code, detail, { error: { code: protocolCode, message: detail, ...members } })
}

export function notSetUp(): Problem {
  const detail =
    'This gateway has no key for the tokens and signatures of subscriptions. Set WEBHOOK_SECRET_KEYS on every gateway to a random ' +
    'text, such as `openssl rand -hex 32` prints it.'
  return refusal(409, 'webhooks-not-set-up', 'NOT_SET_UP', detail)
}

/** @param fault a sentence about the member, and what to do. */
export function invalidSubscription(
  member: string,
  fault: string,
  protocolCode = 'INVALID_REQUEST',
): Problem {
  const path = `body/${member}`
  const detail = `${path}: ${fault}`
  return new Problem(400, 'invalid-request', detail, {
    errors: [{ path, message: fault }],
    error: { code: protocolCode, message: fault },
  })
}

export function subscriptionDiffers(): Problem {
  const detail =
    'There is a subscription of this id with another configuration. Use another id, or delete the subscription and create it anew.'
  return refusal(409, 'subscription-differs', 'SUBSCRIPTION_ALREADY_EXISTS', detail)
}

export function tooManySubscriptions(): Problem {
  const detail = `A workspace can have ${MAX_SUBSCRIPTIONS} subscriptions. Delete some that nobody needs.`
  return refusal(409, 'too-many-subscriptions', 'TOO_MANY_SUBSCRIPTIONS', detail)
}

export function tooManyLinks(): Problem {
  const detail = `A subscription can have ${MAX_EXPLICIT_LINKS} explicit streams, and ${MAX_LINKS} in all. Divide it into several.`
  return refusal(409, 'too-many-links', 'TOO_MANY_STREAMS', detail)
}

/** The same for a wake that is over, a lease that has ended, and a subscription that was deleted. */
export function fenced(): Problem {
  const detail =
    'This wake is not the present one of the subscription: it is done, its lease has ended, or the subscription was deleted. Stop the ' +
    'work on it; nothing was acknowledged.'
  return refusal(409, 'wake-fenced', 'FENCED', detail)
}

export function alreadyClaimed(holder: string, generation: number): Problem {
  const detail =
    'Another worker holds the subscription. Claim it again after the next wake, or when the lease has ended.'
  return refusal(409, 'already-claimed', 'ALREADY_CLAIMED', detail, { current_holder: holder, generation })
}

export function nothingPending(generation: number): Problem {
  const detail =
    'No stream of the subscription has events that were not acknowledged. Wait for the next wake.'
  return refusal(409, 'nothing-pending', 'NO_PENDING_WORK', detail, { generation })
}

export function notPullWake(): Problem {
  const detail =
    'Only a subscription of the type pull-wake can be claimed. The requests of a webhook carry a callback token.'
  return refusal(409, 'not-pull-wake', 'INVALID_SUBSCRIPTION_TYPE', detail)
}

export function wakeTokenInvalid(): Problem {
  const detail =
    'The bearer token is no token of this subscription for this use. Send the callback token of the wake, or the token of the claim.'
  return refusal(401, 'wake-token-invalid', 'TOKEN_INVALID', detail)
}

export function offsetBeyond(): Problem {
  return invalidSubscription(
    'acks',
    'An offset is behind the end of its stream. Acknowledge offsets that you have read.',
  )
}
