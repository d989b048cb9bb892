/**
 * What the log says about HTTP, and what it never says: tokens, tickets, passwords, headers. A request is its
 * method, its URL without secrets, the caller's address and its id; an error is its type, code, text and stack.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/
const SECRET_PARAMETERS: ReadonlySet<string> = new Set(['token', 'ticket'])
const REDACTED = '[redacted]'
const MAX_CAUSES = 5

/** Logger options for Fastify (pino) that keep secrets out of every line; `level` is the least severe one written. */
export function logOptions(level: string) {
  return { level, serializers: { req: describeRequest, err: describeError } }
}

/**
 * The id of a request, in its log lines, in `X-Request-Id` and in problem documents. The caller's own is taken when
 * it is harmless: anything else could forge log lines or fill them.
 */
export function requestId(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

function describeRequest(request: { method: string; url: string; ip: string }) {
  return { method: request.method, url: redactUrl(request.url), remoteAddress: request.ip }
}

/**
 * The URL with the values of secret query parameters, and API keys wherever they stand, cut out. Works on the text, not on a parsed URL: a malformed
 * one is logged too. The router takes `?` and `#` alike as the start of the query, and a name may be
 * percent-encoded (`%74oken`), so all of these are looked at; a value ends at `&` only.
 */
export function redactUrl(url: string): string {
  return withoutKeys(url)
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

/** An error as the log shows it. Only these members: libraries hang connection strings and rows on their errors. */
export function describeError(error: unknown, causes = MAX_CAUSES): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: redactText(String(error)), stack: '' }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    type: error.name,
    message: redactText(error.message),
    stack: redactText(error.stack ?? ''),
    ...(code !== undefined && { code }),
    ...(error.cause !== undefined && causes > 0 && { cause: describeError(error.cause, causes - 1) }),
  }
}

/** API keys; in a URL the underscores may be percent-encoded. */
function withoutKeys(text: string): string {
  return text.replace(/slk(?:_|%5f)[\w%-]+/gi, `slk_${REDACTED}`)
}

/** Passwords in URLs (up to the last `@` of the word: an unencoded password may hold one itself), JWTs and API keys. */
function redactText(text: string): string {
  return withoutKeys(text)
    .replace(/([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:@/]{0,200}):\S{1,1000}@/gi, `$1:${REDACTED}@`)
    .replace(/\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g, REDACTED)
    .replace(/\b(password=)[^\s&]+/gi, `$1${REDACTED}`)
}
