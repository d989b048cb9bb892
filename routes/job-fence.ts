/** By what right a request speaks for a job: what it says in its header, and what its role allows. */
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { Attempt, type Fence } from '../src/jobs/job.js'

export const Fencing = Type.Object({
  'x-job-attempt': Type.Optional({
    ...Attempt,
    description: 'The attempt that you claimed; required of runners. It counts while it has the lease.',
  }),
})

type FencedRequest = FastifyRequest<{ Headers: { 'x-job-attempt'?: number } }>

/** A runner speaks for what it has claimed; a caller of another role that takes the route may change the job anyway. */
export function fenceOf({ principal, headers }: FencedRequest): Fence {
  return {
    attempt: headers['x-job-attempt'],
    holder: principal.role === 'runner' ? principal.id : undefined,
  }
}
