/**
 * The variables of a command may hold passwords. Only the runner that claims a command gets their values; everybody else who may
 * see the job gets their names. The values are in the database for as long as the job is.
 */
import { COMMAND_KIND, type Job } from './job.js'

const HIDDEN = '***'

export function withoutValues(job: Job): Job {
  const { env } = job.payload
  if (job.kind !== COMMAND_KIND || typeof env !== 'object' || env === null) return job
  const names = Object.keys(env).map(name => [name, HIDDEN])
  return { ...job, payload: { ...job.payload, env: Object.fromEntries(names) } }
}
