/** The ETag of an item that a refused precondition reveals: for callers that may read the item, and for no others. */
import type { FastifyReply } from 'fastify'
import { FEED } from '../src/log/event.js'
import { Problem } from '../src/problems/problem.js'

/** Adds the current ETag as a header to a refused precondition. */
export function withETag(reply: FastifyReply): (error: unknown) => never {
  return error => {
    const etag = error instanceof Problem ? error.members.etag : undefined
    if (etag !== undefined) reply.header('etag', etag)
    throw error
  }
}

/** The same, unless the caller may only write: then it learns nothing about the item. @param types that a reader needs. */
export function withETagForReaders(
  reply: FastifyReply,
  types: readonly string[],
): (error: unknown) => Promise<never> {
  return async error => {
    const { request, server } = reply
    const isOutdated = error instanceof Problem && error.members.etag !== undefined
    if (!isOutdated || (await server.grants.reads(request, FEED, types))) return withETag(reply)(error)
    throw new Problem(error.status, error.code, error.detail)
  }
}
