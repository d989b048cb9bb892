/**
 * Reads the body of a request to its end. It is charged as it arrives, so an announced body costs nothing, and
 * concatenated in linear time, however small its pieces are.
 */
import type { Readable } from 'node:stream'
import { GrowingBytes } from '../bytes/growing-bytes.js'
import { Problem } from '../problems/problem.js'

export interface BodyLimits {
  /** Maximum number of bytes. */
  readonly most: number
  /** The Content-Length, if there is one. */
  readonly announced: number | undefined
  /** Called with the number of bytes that have arrived so far. If it throws, the body is refused with its error. */
  hold(bytes: number): void
}

/**
 * Bytes that arrive after a refusal are dropped.
 * @throws {Problem} 413 `body-too-large`; 400 `invalid-request` if the length is not the announced one; the errors of
 *   `hold`.
 */
export function readBody(source: Readable, { most, announced, hold }: BodyLimits): Promise<Buffer> {
  const body = new GrowingBytes()
  return new Promise((resolve, reject) => {
    if (announced !== undefined && announced > most) return reject(tooLarge(most))
    let refused = false
    const refuse = (reason: unknown) => {
      refused = true
      body.take()
      reject(reason)
    }
    source.on('data', (piece: Buffer) => {
      if (refused) return
      body.add(piece)
      try {
        if (body.length > most) throw tooLarge(most)
        hold(body.length)
      } catch (reason) {
        refuse(reason)
      }
    })
    source.once('error', cause => refuse(broken(cause)))
    source.once('end', () => {
      if (announced !== undefined && announced !== body.length) refuse(notAsAnnounced())
      else resolve(body.take())
    })
  })
}

/** The charset of a Content-Type, if it has one. */
export function declaredCharset(contentType: string): string | undefined {
  if (!contentType.includes(';')) return undefined
  for (const parameter of contentType.split(';').slice(1)) {
    const [name = '', value = ''] = parameter.split('=', 2)
    if (name.trim().toLowerCase() === 'charset') return value.trim().replaceAll('"', '')
  }
  return undefined
}

/** The two names of UTF-8 in the Encoding standard and in practice. */
export function isUtf8Charset(charset: string): boolean {
  return ['utf-8', 'utf8'].includes(charset.toLowerCase())
}

function broken(cause: unknown): Problem {
  return new Problem(
    400,
    'invalid-request',
    'The connection broke before the whole body had arrived. Send the request again.',
    {},
    { cause },
  )
}

function tooLarge(most: number): Problem {
  return new Problem(413, 'body-too-large', `The body has more than ${most} bytes. Send less in one request.`)
}

function notAsAnnounced(): Problem {
  return new Problem(400, 'invalid-request', 'The length of the body differs from Content-Length.')
}
