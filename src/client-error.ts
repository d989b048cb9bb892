/**
 * The answer to what never became a request: Node's parser has given up on it, so no route, hook or plugin sees it. It is
 * a problem document like any other, and the connection ends with it, because nobody knows where in its bytes the next
 * request would begin (and whoever guesses differently from a proxy smuggles requests).
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Problem } from './errors.js'
import { PROBLEM_MEDIA_TYPE, problemDocument } from './problem-document.js'

function problemOf(code: string | undefined): Problem {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem(408, 'request-timeout', 'The request took too long to arrive. Send it again, whole.')
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(431, 'head-too-large', 'Path and headers have more than 16 KiB. Send less.')
    default:
      return new Problem(400, 'malformed-request', 'This is not a request of HTTP/1.1.')
  }
}

/** @param requestId finds the line in the log. */
export function answerClientError(error: Error & { code?: string }, socket: Socket, requestId: string): void {
  // While an answer is on its way, such as a stream, ours would be taken for a part of it.
  const answering = Reflect.get(socket, '_httpMessage')
  if (error.code !== 'ECONNRESET' && socket.writable && !answering?.headersSent) {
    const problem = problemOf(error.code)
    const body = JSON.stringify(problemDocument(problem, requestId))
    socket.write(
      [
        `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
        `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
        `Content-Length: ${Buffer.byteLength(body)}`,
        'Cache-Control: no-store',
        'X-Content-Type-Options: nosniff',
        `X-Request-Id: ${requestId}`,
        'Connection: close',
        '',
        body,
      ].join('\r\n'),
    )
  }
  socket.destroy(error)
}
