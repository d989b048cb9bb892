/**
 * Refusals as values: every refusal that a caller may see is a Problem with a stable code, an HTTP status and a remedy. One
 * place (plugins/problems.ts) turns Problems into RFC 9457 documents; nothing decides by message text.
 */
import type { ProblemMembers } from './problem-members.js'

export class Problem extends Error {
  override readonly name = 'Problem'

  /**
   * @param status HTTP status, 400 to 599.
   * @param code stable, kebab-case; clients decide by it.
   * @param detail what happened and what to do about it, for a person.
   * @param members further members of the document.
   */
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly members: ProblemMembers = {},
    options?: ErrorOptions,
  ) {
    super(detail, options)
  }
}

/** One answer for something that does not exist and for something of another workspace (I7). */
export function notFound(what: string): Problem {
  return new Problem(404, 'not-found', `There is no such ${what} in your workspace.`)
}

/** A temporary refusal: the caller may send the same request again after `seconds`. */
export function unavailable(code: string, detail: string, seconds = 2, cause?: unknown): Problem {
  return new Problem(503, code, detail, { retry_after: seconds }, { cause })
}

/** SQLSTATEs that the code decides by. `SL…` are raised by our own functions (migrations/). */
export const SqlState = {
  streamClosed: 'SL001',
  invalidEvent: 'SL002',
  invalidWatch: 'SL003',
  tooManyStreams: 'SL004',
  headDiffers: 'SL005',
  streamOwned: 'SL006',
  noStream: 'SL007',
  noJob: 'SL010',
  jobEnded: 'SL011',
  leaseLost: 'SL012',
  illegalTransition: 'SL013',
  keyReused: 'SL014',
  jobExists: 'SL015',
  tooManyConsumers: 'SL016',
  tooManyWebhooks: 'SL017',
  tooManySecrets: 'SL018',
  tooManyRetries: 'SL019',
  invalidParameterValue: '22023',
  insufficientPrivilege: '42501',
  uniqueViolation: '23505',
  undefinedTable: '42P01',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
} as const

/** The SQLSTATE of an error that Postgres sent, else undefined (a broken connection has none). */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  // An error of the operating system: EPIPE has five letters too.
  if ('errno' in error) return undefined
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined
}

/** Socket errors of a server that is absent or unreachable; ENOENT is a Unix socket without a server. */
const SOCKET_ERRORS =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(HOST|NET)(UNREACH|DOWN)|EADDRNOTAVAIL|ENOTFOUND|EAI_AGAIN|ENOENT|EMFILE|ENFILE|ENOBUFS|ENOMEM|EAGAIN)$/

// pg reports its own losses and time-outs as plain Errors without any code; these are its texts.
const PG_CONNECTION_TEXT =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end|Client was closed)/

/** Whether the server could not be reached, or stopped answering: such errors have no SQLSTATE. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? error.code : undefined
  if (typeof code === 'string') return SOCKET_ERRORS.test(code)
  // AggregateError: every address of the host name refused.
  return error instanceof AggregateError || PG_CONNECTION_TEXT.test(error.message)
}
