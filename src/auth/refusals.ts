/**
 * The refusals of credentials: the fault and the remedy. None repeats what the caller sent, and each has a `WWW-Authenticate`
 * header if RFC 6750 §3 defines one for it.
 */
import { Problem } from '../problems/problem.js'
import type { Role } from './principal.js'

export function tokenMissing(): Problem {
  const detail =
    'This request needs a token or an API key. Send Authorization: Bearer <token>, or X-API-Key: <key>.'
  return new Problem(401, 'token-missing', detail)
}

/** @param reason a clause that follows "The token is not valid:". @param remedy a sentence, if the reason does not say it. */
export function tokenInvalid(reason: string, remedy?: string): Problem {
  const detail = `The token is not valid: ${reason}.`
  return new Problem(401, 'token-invalid', remedy === undefined ? detail : `${detail} ${remedy}`)
}

export function tokenExpired(): Problem {
  return new Problem(401, 'token-expired', 'The token has expired. Get a new one.')
}

export function tokenRevoked(): Problem {
  return new Problem(401, 'token-revoked', 'The token has been revoked. Log in again to get a new one.')
}

export function twoCredentials(): Problem {
  const detail = 'This request has more than one token or key. Send one, in one place.'
  return new Problem(400, 'two-credentials', detail)
}

/** The same for a malformed key, an unknown one and a wrong secret, so a caller cannot find out which ids exist. */
export function keyInvalid(): Problem {
  return new Problem(
    401,
    'key-invalid',
    'There is no such API key. Send the whole key, such as slk_<id>_<secret>, or a whole JWT.',
  )
}

export function keyRevoked(): Problem {
  return new Problem(401, 'key-revoked', 'This API key has been revoked. Ask an admin for a new one.')
}

export function keyExpired(): Problem {
  return new Problem(401, 'key-expired', 'This API key has expired. Ask an admin for a new one.')
}

/** @param address as the gateway sees it, which helps to correct the key's addresses or the list of trusted proxies. */
export function addressNotAllowed(address = 'an unknown address'): Problem {
  const detail =
    `This API key is not allowed from ${address}. Call from an allowed address, or ask an admin for a key that allows ` +
    'this one; behind a proxy, the gateway must trust the proxy (TRUSTED_PROXIES).'
  return new Problem(403, 'address-not-allowed', detail)
}

/** The same for every fault, so a caller cannot find out which tickets exist or existed. */
export function ticketInvalid(): Problem {
  const detail = 'The ticket is not valid here, or has expired. Request a new one: POST /api/stream-tickets.'
  return new Problem(401, 'ticket-invalid', detail)
}

/** The same for every fault, as for a ticket. */
export function streamCookieInvalid(): Problem {
  const detail =
    'The cookie does not open this stream: it has expired, or its credentials have been revoked. Send a token or an API key.'
  return new Problem(401, 'stream-cookie-invalid', detail)
}

/** URLs end up in histories, logs and `Referer`, and keys live too long for that. */
export function keyInUrl(): Problem {
  const detail =
    'An API key does not belong in a URL. Send it as X-API-Key, and rotate this one: a log may contain it.'
  return new Problem(400, 'key-in-url', detail)
}

export function roleTooLow(role: Role, needed: readonly Role[]): Problem {
  const detail = `This request needs the role ${needed.join(' or ')}; you have the role ${role}.`
  return new Problem(403, 'role-too-low', detail)
}

/**
 * The refusal for an error of the JWT library, which would answer some of them with 500.
 * @param code of the error.
 * @param algorithms accepted by the configured key.
 */
export function tokenRefusal(code: unknown, algorithms: readonly string[]): Problem {
  switch (code) {
    case 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED':
      return tokenExpired()
    case 'FST_JWT_AUTHORIZATION_TOKEN_INVALID':
      // The library says the same of a text that is no token.
      return tokenInvalid('its signature does not match', 'Send a whole token, signed for this gateway.')
    case 'FAST_JWT_MISSING_SIGNATURE':
      return tokenInvalid('it is not signed')
    case 'FAST_JWT_INVALID_ALGORITHM':
      return tokenInvalid(`it must be signed with ${algorithms.join(' or ')}`)
    case 'FAST_JWT_INACTIVE':
      return tokenInvalid('it is not valid yet (`nbf`)')
    case 'FAST_JWT_INVALID_CLAIM_TYPE':
      return tokenInvalid('`exp` and `nbf` must be seconds since 1970')
    default:
      return tokenInvalid('it is not a JWT')
  }
}

/** The error codes of RFC 6750 §3.1. A request without credentials gets the scheme and nothing else. */
const BEARER_ERRORS: Readonly<Record<string, string>> = {
  'token-invalid': 'invalid_token',
  'token-expired': 'invalid_token',
  'token-revoked': 'invalid_token',
  'key-invalid': 'invalid_token',
  'key-revoked': 'invalid_token',
  'key-expired': 'invalid_token',
  'ticket-invalid': 'invalid_token',
  'stream-cookie-invalid': 'invalid_token',
  'two-credentials': 'invalid_request',
  'key-in-url': 'invalid_request',
  'role-too-low': 'insufficient_scope',
}

/** The `WWW-Authenticate` header of a problem, if it has one. */
export function challenge(problem: Problem): string | undefined {
  if (problem.code === 'token-missing') return 'Bearer realm="sluice"'
  const error = BEARER_ERRORS[problem.code]
  // Claim names from the configuration may have any characters; a header takes plain ASCII without quotes.
  const description = problem.detail.replace(/[^ -~]|["\\]/g, '?')
  return error && `Bearer realm="sluice", error="${error}", error_description="${description}"`
}
