/**
 * Reads request bodies. A body is read only if its route exists, it is not compressed, and it declares no charset other
 * than UTF-8. Any other request is answered at once and its body is dropped unread, so it costs no memory. JSON is
 * charged to the caller as it arrives, and refused if it is not UTF-8.
 */
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { textOf, withoutByteOrderMark } from '../src/bytes/utf8.js'
import { declaredCharset, isUtf8Charset, readBody } from '../src/http/request-body.js'
import { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Reads and parses a JSON body, for further media types: `addContentTypeParser(type, app.readJson)`. */
    readJson(request: FastifyRequest, payload: Readable): Promise<unknown>
    /** Reads a body of any media type. */
    readBytes(request: FastifyRequest, payload: Readable): Promise<Buffer>
  }
  interface FastifyRequest {
    /**
     * Charges the caller for this number of bytes instead of the previous one; undefined if nothing is charged.
     * @throws {Problem} 503 `memory-low` if there is no room for them.
     */
    hold: ((bytes: number) => void) | undefined
  }
}

export default fp(
  async app => {
    app.decorateRequest('hold', undefined)

    // In preParsing, because the caller is known by then and the rate limit has counted the request.
    app.addHook('preParsing', async (request, reply) => {
      if (request.is404 || hasEmptyPart(request)) throw app.refusePath(request, reply)
      const { 'content-encoding': coding = 'identity', 'content-type': type = '' } = request.headers
      if (coding.toLowerCase() !== 'identity') {
        // The accepted encodings (RFC 9110 §15.5.16).
        reply.header('accept-encoding', 'identity')
        throw new Problem(415, 'unsupported-encoding', 'The body is compressed. Send it uncompressed.')
      }
      const charset = declaredCharset(type)
      if (charset !== undefined && !isUtf8Charset(charset)) {
        const detail = 'Content-Type declares a charset that is not UTF-8. Encode the body as UTF-8.'
        throw new Problem(415, 'unsupported-charset', detail)
      }
    })

    app.decorate('readBytes', (request, payload) => {
      const { headers, hold, routeOptions } = request
      const length = headers['content-length']
      return readBody(payload, {
        most: routeOptions.bodyLimit ?? 0,
        announced: length === undefined ? undefined : Number(length),
        hold: hold ?? (() => {}),
      })
    })

    app.decorate('readJson', async (request, payload) => {
      const bytes = await app.readBytes(request, payload)
      const text = withoutByteOrderMark(textOf(bytes, 'The body'))
      return await new Promise((resolve, reject) => {
        app.parseJson(request, text, (error, value) => (error ? reject(error) : resolve(value)))
      })
    })
    app.addContentTypeParser('application/json', app.readJson)
  },
  { name: 'bodies', dependencies: ['problems', 'validation'] },
)

/** `/api/events/` matches the route of one event with an empty id, but no event has such a path. */
function hasEmptyPart({ params }: FastifyRequest): boolean {
  return typeof params === 'object' && params !== null && Object.values(params).includes('')
}
