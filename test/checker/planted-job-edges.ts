/** Bugs of jobs by which one state or one moment is wrong: as planted-bugs.ts. */
import { answered, CREATED, edgeJob, type JobEvent, STARTED } from './edge-job.js'
import type { Entry } from './history.js'
import type { PlantedBug } from './planted-bugs.js'

const SECOND: readonly JobEvent[] = [['job.requeued'], ['job.started', 'two', 2]]
const DONE_BY_TWO: JobEvent = ['job.completed', 'two']
/** Of each end, another one. */
const OTHERS = {
  completed: 'failed',
  failed: 'completed',
  cancelled: 'completed',
  aborted: 'completed',
  interrupted: 'completed',
}

export const PLANTED_JOB_EDGES: readonly PlantedBug[] = [
  ...Object.entries(OTHERS).map(([end, other]) =>
    planted(
      `an end was acknowledged as ${end}, and it was ${other}`,
      ['job-holder'],
      [CREATED, STARTED, [`job.${other}`, 'one']],
      [answered('ended', [0, 1], { type: `job.${end}` })],
    ),
  ),
  ...['completed', 'failed'].map(end =>
    planted(`a stranger makes a job ${end}`, ['job-states'], [CREATED, STARTED, [`job.${end}`, 'two']]),
  ),
  planted(
    'a runner tells a line after it has lost the job',
    ['job-states'],
    [CREATED, STARTED, ['job.requeued'], ['output', 'one'], ['job.started', 'two', 2], DONE_BY_TWO],
  ),
  planted(
    'a runner tells a line of a job that nobody has',
    ['job-states'],
    [CREATED, ['output', 'one'], STARTED, ['job.completed', 'one']],
  ),
  planted('a job ends twice', ['job-states'], [CREATED, STARTED, ['job.failed'], ['job.completed']]),
  planted(
    'a job begins twice without a pause',
    ['job-states'],
    [CREATED, STARTED, ['job.started', 'two', 2], DONE_BY_TWO],
  ),
  planted('a job completes before it begins', ['job-states'], [CREATED, ['job.completed', 'one']]),
  planted(
    'a runner is heard 21 ms after another one has the next attempt',
    ['job-holder'],
    [CREATED, STARTED, ['output', 'one'], ...SECOND, DONE_BY_TWO],
    [answered('claimed', [0, 0], { runner: 'two', attempt: 2 }), answered('told', [21, 30], { count: 1 })],
  ),
  planted(
    'a line is stored in the next attempt',
    ['job-holder'],
    [CREATED, STARTED, ...SECOND, ['output', 'two'], DONE_BY_TWO],
    [answered('told', [0, 1], { count: 1 })],
  ),
  planted(
    'a line that was acknowledged is missing, and the attempt ends',
    ['job-holder'],
    [CREATED, STARTED, ['job.completed', 'one']],
    [answered('told', [0, 1], { count: 1 })],
  ),
]

function planted(
  name: string,
  rules: PlantedBug['rules'],
  events: readonly JobEvent[],
  answers: readonly Entry[] = [],
): PlantedBug {
  return { name, rules, plant: history => [...history, ...edgeJob(events), ...answers] }
}
