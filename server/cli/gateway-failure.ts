/** Explains the failure of a request to a person: what happened, and what to do. */
import {
  GaveUpError,
  RefusedError,
  SluiceError,
  UnavailableError,
} from '../../clients/typescript/src/errors.js'
import { UsageError } from '../../src/process/usage.js'
import { ExitCode, Failure } from './exit-code.js'
import type { Target } from './gateway-target.js'

/** @returns the error itself if it is not about a request. */
export function gatewayFailure(error: unknown, target: Target): unknown {
  if (error instanceof Failure || error instanceof UsageError) return error
  if (error instanceof GaveUpError && error.cause !== undefined) return gatewayFailure(error.cause, target)
  if (error instanceof RefusedError) return new Failure(refusal(error, target), ExitCode.refused)
  if (error instanceof UnavailableError) return new Failure(unavailable(error, target), ExitCode.unreachable)
  if (error instanceof SluiceError) return new Failure(`${target.url}: ${error.message} (${error.code})`)
  const reason = awayReason(error)
  if (reason === undefined) return error
  return new Failure(
    `No gateway answers at ${target.url} (${reason}). ${remedyOf(reason)}`,
    ExitCode.unreachable,
  )
}

const BAD_CERTIFICATE = /CERT|ISSUER|SIGNATURE|ALTNAME/
/** The Fetch Standard, section 2.9 (port blocking). */
const BAD_PORT = 'bad port'

/** Whether waiting does not help. */
export function isLasting(reason: string): boolean {
  return BAD_CERTIFICATE.test(reason) || reason === BAD_PORT
}

/** What to do when no answer came, for this reason. */
export function remedyOf(reason: string): string {
  if (BAD_CERTIFICATE.test(reason)) {
    return 'Its certificate is not trusted: set NODE_EXTRA_CA_CERTS to the file of its authority, or check --url.'
  }
  if (reason === BAD_PORT) return 'fetch refuses this port: choose another for the gateway.'
  return 'Start it, or give its address with --url.'
}

function refusal({ status, code, detail, problem }: RefusedError, target: Target): string {
  if (problem === undefined && status !== undefined) {
    return `${target.url} has answered with status ${status}, and not as a gateway of this version does. Check --url.`
  }
  const head = typeof problem?.head === 'string' ? ` The head is ${problem.head}.` : ''
  const said = `${detail ?? 'The gateway has refused the request.'} (${[status, code].filter(Boolean).join(' ')})${head}`
  if (target.tokenSource === undefined) return said
  if (status === 401 || code === 'auth-expired' || code === 'auth-revoked') {
    return `${said} The credential is from ${target.tokenSource}: log in again with \`sluice login\`, or set SLUICE_TOKEN.`
  }
  if (status === 403) return `${said} The credential is from ${target.tokenSource}: use one that may do this.`
  return said
}

function unavailable({ status, code, detail, retryAfterMs }: UnavailableError, { url }: Target): string {
  const when = retryAfterMs === undefined ? 'later' : `in ${Math.ceil(retryAfterMs / 1_000)} s`
  return `${detail ?? `${url} cannot answer now.`} (${status} ${code}) Try again ${when}.`
}

/** fetch only says that it failed; the cause says why. */
export const explainedFetch: typeof fetch = async (input, init) => {
  try {
    return await fetch(input, init)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const { code, message } = Object(error.cause)
    throw new GatewayAway(typeof code === 'string' ? code : String(message ?? error.message), {
      cause: error,
    })
  }
}

/** No answer came; the message is the reason in a word or two. */
class GatewayAway extends Error {}

function awayReason(error: unknown): string | undefined {
  if (error instanceof GatewayAway) return error.message
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'no answer in time'
  // The connection broke while the answer arrived.
  return error instanceof TypeError && error.message === 'terminated' ? 'the connection broke' : undefined
}
