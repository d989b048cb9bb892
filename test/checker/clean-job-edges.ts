/** Histories of jobs in which one state or one moment less would be a fault: as clean-histories.ts. */
import type { CleanHistory } from './clean-histories.js'
import { answered, CREATED, edgeJob, type JobEvent, STARTED } from './edge-job.js'
import type { Entry } from './history.js'

const UNSTARTED_ENDS = ['cancelled', 'aborted', 'failed']
const STARTED_ENDS = ['completed', 'failed', 'cancelled', 'aborted', 'interrupted']
const LINE: JobEvent = ['output', 'one']
const SECOND: readonly JobEvent[] = [['job.requeued'], ['job.started', 'two', 2]]
const DONE_BY_TWO: JobEvent = ['job.completed', 'two']

export const CLEAN_JOB_EDGES: readonly CleanHistory[] = [
  ...UNSTARTED_ENDS.map(end => clean(`a job ends before it begins: ${end}`, [CREATED, [`job.${end}`]])),
  ...STARTED_ENDS.map(end =>
    clean(`a job ends after it has begun: ${end}`, [CREATED, STARTED, [`job.${end}`, 'one']]),
  ),
  clean('a job whose runner is gone ends in the queue', [
    CREATED,
    STARTED,
    ['job.requeued'],
    ['job.failed', 'editor'],
  ]),
  clean('nobody is named as the one who ended a job', [CREATED, STARTED, ['job.failed']]),
  clean('its owner cancels a job that has begun', [CREATED, STARTED, ['job.cancelled', 'editor']]),
  clean('nobody is named as the one who told a line', [CREATED, STARTED, ['output'], ['job.completed']]),
  clean(
    'a runner asks at the moment at which another one has the next attempt',
    [CREATED, STARTED, LINE, ...SECOND, DONE_BY_TWO],
    [answered('claimed', [0, 0], { runner: 'two', attempt: 2 }), answered('told', [20, 30], { count: 1 })],
  ),
  clean(
    'a runner that has the job tells lines after its claim',
    [CREATED, STARTED, LINE, LINE, ['job.completed', 'one']],
    [
      answered('claimed', [0, 1]),
      answered('told', [100, 101], { count: 2 }),
      answered('ended', [200, 201], { type: 'job.completed' }),
    ],
  ),
  clean(
    'a job is submitted once more after it was claimed',
    [CREATED, STARTED, ['job.completed', 'one']],
    [answered('claimed', [0, 1]), answered('submitted', [100, 101])],
  ),
  clean(
    'a runner claims its attempt again',
    [CREATED, STARTED, ['job.completed', 'one']],
    [answered('claimed', [0, 1]), answered('claimed', [100, 101])],
  ),
  clean(
    'a runner has told two lines, and the next one one',
    [CREATED, STARTED, LINE, LINE, ...SECOND, ['output', 'two'], DONE_BY_TWO],
    [
      answered('claimed', [0, 1]),
      answered('told', [2, 3], { count: 2 }),
      answered('claimed', [100, 101], { runner: 'two', attempt: 2 }),
      answered('told', [200, 201], { runner: 'two', attempt: 2, count: 1 }),
      answered('ended', [300, 301], { runner: 'two', attempt: 2, type: 'job.completed' }),
    ],
  ),
  clean(
    'a runner gives its attempt back, which is no end',
    [CREATED, STARTED, ...SECOND, DONE_BY_TWO],
    [answered('claimed', [0, 1]), answered('ended', [2, 3], { type: 'job.requeued' })],
  ),
]

function clean(name: string, events: readonly JobEvent[], answers: readonly Entry[] = []): CleanHistory {
  return { name, make: history => [...history, ...edgeJob(events), ...answers] }
}
