/** The variables about jobs, as a part of `environment.ts`. */
import Type from 'typebox'
import { Whole } from './setting.js'

export const JOB_SETTINGS = {
  JOB_RETENTION_DAYS: Type.Number({
    default: 7,
    minimum: 0,
    maximum: 36_500,
    description: 'Days for which a job and its events are kept after its end. 0 = forever.',
  }),
  MAX_STREAMS_PER_RUN: Whole({
    default: 50,
    description:
      'Open streams of one run per process, beyond which `GET /api/v1/runs/:runId/events` asks clients to retry. 0 = unlimited.',
  }),
  MAX_QUEUE_AGE: Whole({
    default: 86_400,
    description:
      'Seconds that a job waits for a runner; then it ends as `interrupted`. Set the same value on every gateway. 0 = forever.',
  }),
  PROJECTS: Type.Enum(['open', 'declared'], {
    default: 'open',
    description:
      '`declared` refuses commands in projects that no admin has declared. `open` lets them wait for a runner.',
  }),
}
