/** The state of a job in words, with the next step where there is one. */
import type { Job } from '../../../../src/jobs/job.ts'
import type { Tone } from '../../pieces/badge.tsx'
import { duration } from '../../pieces/duration.ts'

export const STATUSES = [
  'queued',
  'running',
  'completed',
  'failed',
  'cancelled',
  'aborted',
  'interrupted',
] as const

export const TONES: Readonly<Record<Job['status'], Tone>> = {
  queued: 'amber',
  running: 'blue',
  completed: 'green',
  failed: 'red',
  cancelled: 'muted',
  aborted: 'muted',
  interrupted: 'red',
}

export function hasEnded({ status }: Job): boolean {
  return status !== 'queued' && status !== 'running'
}

/** The command of a job of kind `command`. */
export function commandOf({ payload }: Job): string | undefined {
  return typeof payload.command === 'string' ? payload.command : undefined
}

export function titleOf(job: Job): string {
  return job.title ?? commandOf(job) ?? `${job.kind} ${job.id}`
}

/** From its start to its end, or until now. Undefined for a job that has not started. */
export function runningTime({ started_at, ended_at }: Job, now: number): number | undefined {
  if (started_at === null) return undefined
  return Math.max(0, (ended_at === null ? now : Date.parse(ended_at)) - Date.parse(started_at))
}

/** How it ended, in one or two sentences; undefined while it has not. */
export function outcomeOf(job: Job): string | undefined {
  const { exit_code, signal, timed_out, error, duration_ms } = job.result ?? {}
  const after = typeof duration_ms === 'number' ? ` after ${duration(duration_ms)}` : ''
  const reason = typeof error === 'string' ? ` ${error}` : ''
  switch (job.status) {
    case 'completed':
      return typeof exit_code === 'number'
        ? `The command exited with ${exit_code}${after}.`
        : 'The job is completed.'
    case 'failed':
      if (reason) return `The job failed:${reason}`
      if (timed_out === true) return `The command exceeded its time limit${after}.`
      if (typeof signal === 'string') return `The signal ${signal} ended the command${after}.`
      return typeof exit_code === 'number'
        ? `The command exited with ${exit_code}${after}.`
        : 'The job failed.'
    case 'cancelled':
      return 'Somebody cancelled the job.'
    case 'aborted':
      return `The job was given up.${reason}`
    case 'interrupted':
      return reason
        ? `The job was interrupted:${reason}`
        : 'The job was interrupted: its runner was lost in its last attempt.'
    default:
      return undefined
  }
}
