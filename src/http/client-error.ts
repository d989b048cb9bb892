/**
 * The response to bytes that are not a request: Node's parser has rejected them, so no route, hook or plugin sees
 * them. The response is a problem document like any other, and the connection ends with it, because nobody knows
 * where in the bytes the next request would start (and a wrong guess allows request smuggling).
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Problem } from '../problems/problem.js'
import { PROBLEM_MEDIA_TYPE, problemDocument } from '../problems/problem-document.js'

/** All methods that a route here may have. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
/** A request line whose method Node does not know, such as QUERY before Node 22. */
const REQUEST_LINE = /^[A-Z][A-Z-]{0,31} [!-~]+ HTTP\/1\.1\r\n/

interface ClientError extends Error {
  readonly code?: string
  /** The bytes that the parser received: a Buffer, whatever the types say. */
  readonly rawPacket?: unknown
}

function problemOf({ code, rawPacket }: ClientError): Problem {
  if (
    code === 'HPE_INVALID_METHOD' &&
    Buffer.isBuffer(rawPacket) &&
    REQUEST_LINE.test(rawPacket.toString('latin1'))
  ) {
    const detail = `No path here supports this method. Use one of ${METHODS.join(', ')}.`
    return new Problem(405, 'method-not-allowed', detail)
  }
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem(
        408,
        'request-timeout',
        'The request took too long to arrive. Send it again completely.',
      )
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(431, 'head-too-large', 'Path and headers exceed 16 KiB. Send less.')
    default:
      return new Problem(400, 'malformed-request', 'This is not an HTTP/1.1 request.')
  }
}

/** @param requestId finds the line in the log. */
export function answerClientError(error: ClientError, socket: Socket, requestId: string): void {
  // While a response is in progress, such as a stream, ours would be read as a part of it.
  const answering = Reflect.get(socket, '_httpMessage')
  if (error.code !== 'ECONNRESET' && socket.writable && !answering?.headersSent) {
    const problem = problemOf(error)
    const body = JSON.stringify(problemDocument(problem, requestId))
    socket.write(
      [
        `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
        `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
        `Content-Length: ${Buffer.byteLength(body)}`,
        ...(problem.status === 405 ? [`Allow: ${METHODS.join(', ')}`] : []),
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
