/** A decision of the operator's service, or of the application, on one principal, one action and one stream. */
import Type from 'typebox'
import Value from 'typebox/value'
import { NamePatterns } from '../../log/name-patterns.js'
import { type Problem, unavailable } from '../../problems/problem.js'
import type { Principal } from '../principal.js'

/** How long an answer holds unless it says otherwise, and at most. An open stream is asked about again within that time. */
const DEFAULT_VALID_S = 60
const MAX_VALID_S = 300
const RETRY_S = 2

const Answer = Type.Object({
  allowed: Type.Boolean(),
  types: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 32 })),
  valid_for: Type.Optional(Type.Number({ minimum: 0 })),
})

/** The answer of `authorize`: whether the action is allowed at all, the types of events (default: all), and for how many seconds. */
export type AuthorizeAnswer =
  | boolean
  | {
      readonly allowed: boolean
      readonly types?: readonly string[] | undefined
      readonly valid_for?: number | undefined
    }

/** @param project of the job whose stream is asked about, if it has one. */
export type Authorize = (
  principal: Pick<Principal, 'id' | 'workspace' | 'role'>,
  action: StreamAction,
  stream: string,
  project?: string,
) => AuthorizeAnswer | Promise<AuthorizeAnswer>

export type StreamAction = 'subscribe' | 'publish'

export interface Decision {
  /** Names and prefixes; none if the action is not allowed. */
  readonly types: NamePatterns
  readonly validForMs: number
}

/** @throws {Error} if the answer has another form: it decides nothing. */
export function decisionIn(answer: unknown): Decision {
  const given: unknown = typeof answer === 'boolean' ? { allowed: answer } : answer
  if (!Value.Check(Answer, given)) {
    throw new Error('It must be {"allowed":true}, with `types` and `valid_for` (seconds) if you like.')
  }
  const { allowed, types, valid_for: seconds = DEFAULT_VALID_S } = given
  return {
    types: allowed ? (types ? NamePatterns.of(types) : NamePatterns.ALL) : NamePatterns.NONE,
    validForMs: Math.min(Math.max(seconds, 1), MAX_VALID_S) * 1_000,
  }
}

export function authorizationUnavailable(cause?: unknown): Problem {
  const detail = 'The service that decides about access does not answer. Try again.'
  return unavailable('authorization-unavailable', detail, RETRY_S, cause)
}
