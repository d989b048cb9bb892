/** A request of a program that does not know whether it will be answered. */
import { setTimeout as pause } from 'node:timers/promises'
import { patienceSignal } from '../../harness/patience.js'

const ANSWER_MS = 10_000
/** Between a request that was not answered, or refused for the moment, and the same one again. */
export const RETRY_MS = 500
/** Statuses after which the same request may succeed later. */
const AGAIN = [401, 403, 429, 502, 503, 504]

export interface Answer {
  readonly status: number
  readonly text: string
}

export interface Request {
  /** Default: POST with a body, GET without. */
  readonly method?: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON, unless it is a text. */
  readonly body?: unknown
}

/** Undefined: the connection broke, or the answer did not come in time. */
export async function ask(
  url: string,
  { method, headers, body }: Request,
  answerMs = ANSWER_MS,
): Promise<Answer | undefined> {
  const type = body !== undefined && !headers['content-type'] && { 'content-type': 'application/json' }
  try {
    const response = await fetch(url, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { ...headers, ...type },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: patienceSignal(answerMs),
    })
    return { status: response.status, text: await response.text() }
  } catch {
    return undefined
  }
}

/** Whether nobody can say what came of the request, or it was refused for the moment. */
export function isPassing(answer: Answer | undefined): boolean {
  return answer === undefined || AGAIN.includes(answer.status)
}

/** The same request again until it is answered for good. Undefined: `signal` has aborted before. */
export async function insist(
  send: () => Promise<Answer | undefined>,
  signal?: AbortSignal,
): Promise<Answer | undefined> {
  while (!signal?.aborted) {
    const answer = await send()
    if (!isPassing(answer)) return answer
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined)
  }
  return undefined
}
