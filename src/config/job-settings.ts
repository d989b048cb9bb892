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
}
