/** Turns a response that is no success into the error that it means. */
import { retryAfterMs } from './back-off.js'
import { RefusedError, type SluiceError, UnavailableError } from './errors.js'

/** A problem document has a few hundred bytes; a page of a proxy may have any number, and nobody needs them. */
const MAX_PROBLEM_BYTES = 64 * 1024

/** @returns UnavailableError for a status that a retry may change (408, 425, 429, 5xx), else RefusedError. */
export async function errorOf(response: Response): Promise<SluiceError> {
  const { status, headers } = response
  const problem = await problemOf(response)
  const text = (name: string) => (typeof problem?.[name] === 'string' ? problem[name] : undefined)
  const detail = text('detail')
  const code = text('code') ?? `http-${status}`
  const Kind = isPassing(status) ? UnavailableError : RefusedError
  return new Kind(code, detail ?? `The server answered with the status ${status}.`, {
    status,
    detail,
    requestId: headers.get('x-request-id') ?? text('request_id'),
    problem,
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
  })
}

/** Whether the same request may succeed later. */
function isPassing(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500
}

async function problemOf(response: Response): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const value: unknown = JSON.parse(await head(response))
    return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : undefined
  } catch {
    return undefined
  }
}

/** The first bytes of the body, as text; the rest is not read. */
async function head({ body }: Response): Promise<string> {
  const reader = body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (reader && text.length < MAX_PROBLEM_BYTES) {
    const { done, value } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  await reader?.cancel()
  return text
}
