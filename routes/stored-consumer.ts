/** Finds the consumer that a request names, in the caller's workspace. */
import type { FastifyRequest } from 'fastify'
import { reachOf } from '../src/auth/grants/reach.js'
import { type LaggingConsumer, selectConsumer } from '../src/consumers/consumer-reads.js'
import { inWorkspace } from '../src/database/workspace.js'
import { notFound } from '../src/problems/problem.js'
import { assertVisible } from './job-visibility.js'

/**
 * Whether the grants of the caller reach its stream is for the route to ask.
 * @throws {Problem} 404 `not-found`, also for a consumer of a job's stream that is hidden from the caller.
 */
export async function findConsumer(request: FastifyRequest, name: string): Promise<LaggingConsumer> {
  const { principal, server } = request
  const found = await inWorkspace(server.database, reachOf(principal), client =>
    selectConsumer(client, principal.workspace, name),
  )
  if (!found) throw notFound('consumer')
  await assertVisible(request, found.consumer.stream, 'consumer')
  return found
}
