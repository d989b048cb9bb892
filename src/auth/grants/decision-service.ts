/**
 * Asks the operator's service for decisions over HTTP. The service is trusted with its answer and nothing else: it cannot redirect the
 * gateway, make it wait, or fill its memory. Connections are kept open between requests.
 */
import { basicAuthorization, jsonTextOf, withoutCredentials } from '../json-answer.js'
import type { Authorize, AuthorizeAnswer } from './decision.js'

/** The time limit of the whole answer. */
const TIMEOUT_MS = 3_000
const MAX_BYTES = 16 * 1024

/**
 * @param address may contain a user name and a password (RFC 7617).
 * @param token sent as `Authorization: Bearer`, so that the service knows the gateway.
 */
export function decisionService(address: string, token: string | undefined): Authorize {
  const given = new URL(address)
  const url = withoutCredentials(given)
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    ...(token === undefined ? basicAuthorization(given) : { authorization: `Bearer ${token}` }),
  }
  return async ({ id, workspace, role }, action, stream, project) => {
    const body = JSON.stringify({ principal: { id, workspace, role }, action, stream, project })
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
    try {
      return JSON.parse(await textOf(response)) as AuthorizeAnswer
    } finally {
      // Drops the rest of a refused answer.
      await response.body?.cancel().catch(() => undefined)
    }
  }
}

async function textOf(response: Response): Promise<string> {
  const { status } = response
  if (status !== 200)
    throw new Error(`It answered ${status}, not 200. A refusal is 200 with {"allowed":false}.`)
  return jsonTextOf(response, MAX_BYTES, 'Its answer')
}
