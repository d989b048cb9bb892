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
  // Browsers do not show the status of a redirect.
  const isRedirect = response.type === 'opaqueredirect' || (status >= 300 && status < 400)
  const what = isRedirect
    ? 'The server redirects the request: check the URL.'
    : `The server answered ${status}.`
  const Kind = [408, 425, 429].includes(status) || status >= 500 ? UnavailableError : RefusedError
  return new Kind(text('code') ?? `http-${status}`, detail ?? what, {
    status,
    detail,
    requestId: headers.get('x-request-id') ?? text('request_id'),
    problem,
    retryAfterMs: retryAfterMs(headers.get('retry-after')) || undefined,
  })
}

async function problemOf({ body }: Response): Promise<Readonly<Record<string, unknown>> | undefined> {
  const reader = body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  try {
    while (reader && text.length < MAX_PROBLEM_BYTES) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value, { stream: true })
    }
    const problem: unknown = JSON.parse(text)
    return typeof problem === 'object' && problem ? { ...problem } : undefined
  } catch {
    return undefined
  } finally {
    // The rest is not read; a broken body cannot be cancelled.
    reader?.cancel().catch(() => {})
  }
}
