/** The response headers of Durable Streams, and its refusals. */
import type { FastifyReply } from 'fastify'
import type { AppendOutcome, CreateOutcome, DurableStream } from '../../src/durable-streams/durable-stream.js'
import { formatOffset } from '../../src/durable-streams/reading/offset.js'
import type { Position } from '../../src/log/event.js'
import { notFound, Problem } from '../../src/problems/problem.js'

/** The content type, the tail, and whether it is closed. */
export function describe(reply: FastifyReply, { contentType, head, closed }: DurableStream): FastifyReply {
  return atTail(reply, head.position, closed).header('content-type', contentType)
}

export function atTail(reply: FastifyReply, tail: Position, closed: boolean): FastifyReply {
  reply.header('stream-next-offset', formatOffset(tail))
  if (closed) reply.header('stream-closed', 'true')
  return reply
}

export function describeExpiry(reply: FastifyReply, { ttl, expires }: DurableStream): FastifyReply {
  if (ttl !== undefined) reply.header('stream-ttl', ttl)
  if (expires !== undefined) reply.header('stream-expires-at', expires)
  return reply
}

export function gone(status: 409 | 410 = 410): Problem {
  const detail =
    'The stream was deleted, and streams that were forked from it still need its name. Use another one.'
  return new Problem(status, 'stream-gone', detail)
}

export function owned(reply: FastifyReply): Problem {
  reply.header('allow', 'GET, HEAD')
  const detail = 'The stream belongs to a job, to presence, or is the feed: it can only be read in this form.'
  return new Problem(405, 'method-not-allowed', detail)
}

const DIFFERENCES = {
  'content-type': 'content type',
  expiry: 'expiry',
  closed: 'state: one of the two is closed',
  fork: 'source',
} as const

/** Why a stream was not created. */
export function createProblem(
  reply: FastifyReply,
  outcome: Exclude<CreateOutcome, { outcome: 'created' | 'exists' }>,
): Problem {
  switch (outcome.outcome) {
    case 'differs':
      return new Problem(
        409,
        'stream-exists',
        `A stream of this name exists with another ${DIFFERENCES[outcome.what]}. Choose another name.`,
      )
    case 'gone':
      return gone(409)
    case 'owned':
      return owned(reply)
    case 'source-not-found':
      return notFound('source stream')
    case 'source-gone':
      return new Problem(409, 'stream-gone', 'The source stream was deleted. Fork another one.')
    case 'source-type-differs':
      return new Problem(
        409,
        'content-type-differs',
        'Content-Type differs from that of the source stream. Leave it out, or send that one.',
      )
    case 'offset-below-base':
      return new Problem(410, 'retention', 'Retention has removed the messages before Stream-Fork-Offset.')
    case 'offset-beyond-head':
      return new Problem(400, 'invalid-request', 'Stream-Fork-Offset is beyond the end of the source stream.')
    case 'sub-offset-beyond':
      return new Problem(
        400,
        'invalid-request',
        'Stream-Fork-Sub-Offset is beyond the messages that follow Stream-Fork-Offset.',
      )
    case 'source-too-large':
      return new Problem(
        413,
        'fork-too-large',
        'A fork copies at most 100,000 messages and 256 MiB. Fork from a stream with fewer, or at an earlier offset.',
      )
  }
}

/** Why nothing was appended, with the headers by which a writer decides. */
export function appendProblem(
  reply: FastifyReply,
  outcome: Exclude<AppendOutcome, { outcome: 'stored' | 'duplicate' }>,
): Problem {
  if ('tail' in outcome) atTail(reply, outcome.tail, outcome.closed)
  switch (outcome.outcome) {
    case 'closed':
      return new Problem(409, 'stream-closed', 'The stream is closed: it takes no more messages.')
    case 'content-type-differs':
      return new Problem(
        409,
        'content-type-differs',
        `The content type of the stream is ${outcome.contentType}. Send that one.`,
      )
    case 'seq-not-greater':
      return new Problem(
        409,
        'seq-not-greater',
        'Stream-Seq is not greater than that of an earlier request. They are compared byte by byte.',
      )
    case 'stale-epoch':
      reply.header('producer-epoch', outcome.epoch)
      return new Problem(
        403,
        'producer-fenced',
        `The producer has continued with epoch ${outcome.epoch}. Stop, or start a greater epoch.`,
      )
    case 'epoch-not-at-start':
      return new Problem(400, 'invalid-request', 'A new Producer-Epoch starts with Producer-Seq 0.')
    case 'producer-gap':
      reply.headers({
        'producer-expected-seq': outcome.expected,
        'producer-received-seq': outcome.received,
      })
      return new Problem(
        409,
        'producer-gap',
        `Requests of the producer are missing: ${outcome.expected} was expected. Send them first.`,
      )
    case 'too-many-producers':
      return new Problem(
        429,
        'too-many-producers',
        'The stream has 10,000 producers that were active in the last 7 days. Use fewer ids.',
      )
    case 'gone':
      return gone()
    case 'owned':
      return owned(reply)
    case 'not-found':
      return notFound('stream')
  }
}
