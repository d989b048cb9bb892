/**
 * Responses for documents that everybody may read and that stay the same while the process runs: with an ETag, so that a client that
 * has the document gets 304. A document is made for its first request, because a start must not wait for it.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { formatETag, isKnown } from '../src/items/etag.js'

/** The config of the routes of such documents. They describe the other routes, and are not in the description themselves. */
export const PUBLIC_DOCUMENT = {
  config: { access: 'public', grants: 'none' },
  schema: { hide: true },
} as const

export interface PublicDocument {
  readonly type: string
  readonly headers?: Readonly<Record<string, string>>
  /** Called once, after all routes have been registered. */
  make(): string
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

export function publicDocument({ make, type, headers = {} }: PublicDocument): Handler {
  let made: { readonly text: string; readonly etag: string } | undefined
  return (request, reply) => {
    made ??= withETag(make())
    const { text, etag } = made
    reply.headers({ ...headers, 'cache-control': 'no-cache', etag })
    const known = request.headers['if-none-match']
    if (known !== undefined && isKnown(known, etag)) return reply.code(304).send()
    return reply.type(type).send(text)
  }
}

function withETag(text: string): { text: string; etag: string } {
  return { text, etag: formatETag(createHash('sha256').update(text).digest('base64url')) }
}
