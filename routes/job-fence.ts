/** The fence of a request that reports on a job: the attempt in its header, and the runner that must hold the lease. */
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { Attempt, type Fence } from '../src/jobs/job.js'

export const Fencing = Type.Object({
  'x-job-attempt': Type.Optional({
    ...Attempt,
    description:
      'The attempt that you claimed; required for runners. It is accepted while the attempt holds the lease.',
  }),
})

type FencedRequest = FastifyRequest<{ Headers: { 'x-job-attempt'?: number } }>

/** A runner may only report on jobs that it has claimed; a caller whose role may change any job needs no lease. */
export function fenceOf({ principal, headers }: FencedRequest): Fence {
  return {
    attempt: headers['x-job-attempt'],
    holder: principal.role === 'runner' ? principal.id : undefined,
  }
}
