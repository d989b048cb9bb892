/**
 * The response to bytes that are not a request: Node's parser has rejected them, so no route, hook or plugin sees
 * them. The response is a problem document like any other, and the connection ends with it, because nobody knows
 * where in the bytes the next request would start (and a wrong guess allows request smuggling).
 */
import { type ServerResponse, STATUS_CODES } from 'node:http'
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
  /** Where in them it stopped. */
  readonly bytesParsed?: number
}

/** From the beginning of the line at which the parser stopped: requests may be before it. */
function rejectedBytes({ rawPacket, bytesParsed = 0 }: ClientError): string {
  if (!Buffer.isBuffer(rawPacket)) return ''
  const start = bytesParsed > 0 ? rawPacket.lastIndexOf('\n', bytesParsed - 1) + 1 : 0
  return rawPacket.toString('latin1', start)
}

function problemOf(error: ClientError): Problem {
  const { code } = error
  if (code === 'HPE_INVALID_METHOD' && REQUEST_LINE.test(rejectedBytes(error))) {
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

/** Connections whose bytes were rejected; nothing further that arrives there is judged. */
const rejected = new WeakSet<Socket>()

/** @param requestId finds the line in the log. */
export function answerClientError(error: ClientError, socket: Socket, requestId: string): void {
  if (rejected.has(socket)) return
  rejected.add(socket)
  if (error.code === 'ECONNRESET') socket.destroy(error)
  else answerInTurn(error, socket, requestId)
}

/**
 * A client may send requests without waiting for answers (RFC 9112 section 9.3.2), and takes the first answer as that to its first
 * request. So ours waits for the answers to the requests before the rejected bytes: it must not say of a stored event that it was refused.
 */
function answerInTurn(error: ClientError, socket: Socket, requestId: string): void {
  const answering: ServerResponse | null | undefined = Reflect.get(socket, '_httpMessage')
  const isStream = answering?.headersSent && !answering.writableEnded
  if (answering?.req.complete && !isStream) {
    answering.once('close', () => answerInTurn(error, socket, requestId))
    return
  }
  // While a response is in progress, such as a stream, ours would be read as a part of it.
  if (socket.writable && !answering?.headersSent) answer(problemOf(error), socket, requestId)
  socket.destroy(error)
}

function answer(problem: Problem, socket: Socket, requestId: string): void {
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
