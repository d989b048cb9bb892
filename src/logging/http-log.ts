/**
 * How requests and errors look in the log: without tokens, tickets, passwords, headers and values from the database. A
 * request is its method, its URL without secrets, the caller's address and its id; an error is its type, code, text and
 * stack. Each line is one line of JSON that a terminal shows and does not obey, whatever strangers have sent.
 */
import { sqlState } from '../problems/problem.js'
import { clean, cleanLines, printableJson, REDACTED, withoutTokens } from './redaction.js'

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/
/** Query parameters with secrets: those that we accept, and those that people use by mistake. */
const SECRET_PARAMETERS: ReadonlySet<string> = new Set([
  'token',
  'ticket',
  'signature',
  'access_token',
  'id_token',
  'refresh_token',
  'jwt',
  'authorization',
  'api_key',
  'apikey',
  'x-api-key',
  'password',
  'secret',
  'client_secret',
])
const MAX_CAUSES = 5
/** SQLSTATEs of invalid values, which Postgres quotes in its message. */
const DATA_EXCEPTION = /^22/

/** How requests and errors look in lines of the log. */
export const HTTP_SERIALIZERS = { req: describeRequest, err: describeError }

/** Logger options for Fastify (pino) that keep secrets out of every line; `level` is the least severe one written. */
export function logOptions(level: string) {
  return {
    level,
    serializers: HTTP_SERIALIZERS,
    // The last line of defence: a library may log anything.
    hooks: { streamWrite: (line: string) => printableJson(withoutTokens(line)) },
  }
}

/** A request id that somebody else has given; undefined unless it is harmless: others could forge log lines or fill them. */
export function givenRequestId(given: unknown): string | undefined {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : undefined
}

function describeRequest(request: { method: string; url: string; ip: string }) {
  return { method: request.method, url: redactUrl(request.url), remoteAddress: request.ip }
}

/**
 * The URL with the values of secret query parameters cut out, and JWTs and API keys wherever they stand. Works on the
 * text, not on a parsed URL: a malformed one is logged too. The router takes `?` and `#` alike as the start of the query,
 * and a name may be percent-encoded (`%74oken`), so all of these are looked at; a value ends at `&` only.
 */
export function redactUrl(url: string): string {
  const text = withoutTokens(url)
  if (!text.includes('=')) return text
  return text
    .split('&')
    .map(part => {
      const pieces = part.split(/(?<=[?;#])/)
      const secret = pieces.findIndex(piece => /=/.test(piece) && SECRET_PARAMETERS.has(nameOf(piece)))
      return secret < 0
        ? part
        : `${pieces.slice(0, secret).join('')}${pieces[secret]?.split('=')[0]}=${REDACTED}`
    })
    .join('&')
}

function nameOf(piece: string): string {
  const name = piece.slice(0, piece.indexOf('='))
  const decoded = name.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return decoded.toLowerCase()
}

type DescribedError = {
  readonly type: string
  readonly message: string
  readonly stack: string
  readonly code?: string
  readonly cause?: DescribedError
}

/**
 * An error as the log shows it. Only these members: libraries hang connection strings, whole requests and rows on their
 * errors. The text is cleaned of secrets; of Postgres' complaints about a value the value is left out.
 */
export function describeError(error: unknown, causes = MAX_CAUSES): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: clean(String(error)), stack: '' }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const message = messageOf(error)
  const [, frames = ''] = /(\n {4}at [\s\S]*)$/.exec(error.stack ?? '') ?? []
  return {
    type: clean(error.name),
    message,
    stack: `${clean(error.name)}: ${message}${cleanLines(frames)}`,
    ...(code !== undefined && { code: clean(code) }),
    ...(error.cause !== undefined && causes > 0 && { cause: describeError(error.cause, causes - 1) }),
  }
}

function messageOf(error: Error): string {
  const quoting = DATA_EXCEPTION.test(sqlState(error) ?? '')
  return clean(quoting ? error.message.replace(/(["']).*\1/s, `$1${REDACTED}$1`) : error.message)
}
