/** A job that is written by hand, and the answers to its runners: for histories in which one state or one moment decides. */
import { END_MS } from './clean-histories.js'
import type { Entry, EntryOf } from './history.js'
import { JOB_ENDS } from './job-check.js'

const JOB = 'acme/job:edge'

/** A type, who did it, and the number of an attempt. */
export type JobEvent = readonly [type: string, by?: string, attempt?: number]

export const CREATED: JobEvent = ['job.created', 'editor']
export const STARTED: JobEvent = ['job.started', 'one', 1]

export function edgeJob(events: readonly JobEvent[]): Entry[] {
  const rows = events.map(([type, by, attempt], n): Entry => {
    const more = { ...(by !== undefined && { by }), ...(attempt !== undefined && { attempt }) }
    return { k: 'row', stream: JOB, id: `${n + 1}.eeeeee`, type, h: {}, ...more }
  })
  return [{ k: 'log', stream: JOB, base: '0.aaaaaa', terminal: JOB_ENDS }, ...rows]
}

/** Times are counted from the end of the run. */
export function answered(
  did: EntryOf<'job'>['did'],
  [asked, t]: readonly [number, number],
  more: Partial<EntryOf<'job'>> = {},
): Entry {
  const of = did === 'submitted' ? {} : { runner: 'one', attempt: 1 }
  return { k: 'job', job: JOB, did, asked: END_MS + asked, t: END_MS + t, ...of, ...more }
}
