/** The refusals of webhooks. */
import { notFound, Problem, SqlState, sqlState } from '../problems/problem.js'
import { MAX_SECRETS, MAX_WEBHOOKS } from './webhook.js'

/** The gateway has no key that seals secrets. */
export function notSetUp(): Problem {
  const detail =
    'This gateway has no key for the secrets of webhooks. Set WEBHOOK_SECRET_KEYS on every gateway to a random text, such as ' +
    '`openssl rand -hex 32` prints it.'
  return new Problem(409, 'webhooks-not-set-up', detail)
}

/** The secrets of this webhook were sealed by a key that this gateway does not have. */
export function secretsUnreadable(): Problem {
  const detail =
    'No key of this gateway opens the secrets of the webhook. Add the key that sealed them to WEBHOOK_SECRET_KEYS, or to ' +
    'JWT_SECRET_PREVIOUS; or send `headers` anew and rotate the secret with an overlap of 0.'
  return new Problem(409, 'secrets-unreadable', detail)
}

/** @param fault a sentence about the member, and what to do. */
export function invalidMember(member: string, fault: string): Problem {
  const path = `body/${member}`
  return new Problem(400, 'invalid-request', `${path}: ${fault}`, { errors: [{ path, message: fault }] })
}

export function replayRunning(): Problem {
  return new Problem(
    409,
    'replay-running',
    'A replay of this webhook is running. Wait until it has ended, or stop it with DELETE …/replay.',
  )
}

/** Refusals of the database; the error itself if it is none. */
export function problemOf(error: unknown): unknown {
  switch (sqlState(error)) {
    case SqlState.noStream:
      return notFound('stream')
    case SqlState.tooManyWebhooks:
      return new Problem(
        409,
        'too-many-webhooks',
        `A workspace can have ${MAX_WEBHOOKS} webhooks. Delete some that nobody needs.`,
      )
    case SqlState.tooManySecrets:
      return new Problem(
        409,
        'too-many-secrets',
        `A webhook can have ${MAX_SECRETS} secrets that sign. Wait until some have expired, or rotate with an overlap of 0.`,
      )
    case SqlState.tooManyRetries:
      return new Problem(
        409,
        'too-many-retries',
        '1,000 deliveries of this webhook wait to be sent again. Wait until some of them are sent.',
      )
    default:
      return error
  }
}
