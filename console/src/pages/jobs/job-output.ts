/** The content of a job's events: its output as a terminal, its progress, its files. The state of the job itself comes with the job. */

import type { StreamEvent } from '../../stream/stream-client.ts'
import { Terminal } from '../../terminal/terminal.ts'

export interface Progress {
  /** 0 to 1; undefined: only the text is known. */
  readonly part: number | undefined
  readonly text: string
}

export interface Artifact {
  readonly name: string
  readonly path: string
}

const ENDS = ['job.completed', 'job.failed', 'job.cancelled', 'job.aborted', 'job.interrupted']
const MAX_NOTE = 500
const MAX_ARTIFACTS = 500

export function isEnd({ type }: { readonly type: string }): boolean {
  return ENDS.includes(type)
}

type Members = Readonly<Record<string, unknown>>

export class JobOutput {
  readonly terminal = new Terminal()
  progress: Progress | undefined
  artifacts: readonly Artifact[] = []

  take({ type, data }: StreamEvent): void {
    const members: Members = typeof data === 'object' && data !== null ? { ...data } : {}
    if (members.redacted === true) this.#note(`${type}: an admin has erased this: ${textOf(members.reason)}`)
    else if (type === 'output' || type === 'log') this.#line(members)
    else if (type === 'progress') this.progress = progressIn(members)
    else if (type === 'artifact') this.#artifact(members)
    else this.#note(noteOf(type, members))
    if (type === 'job.started') this.progress = undefined
  }

  #line(members: Members): void {
    const text = textOf(members.line ?? members.message ?? members.text ?? members)
    this.terminal.write(text, members.stream === 'stderr' ? 'stderr' : 'stdout', members.continues === true)
  }

  #artifact(members: Members): void {
    const name = textOf(members.name ?? members.path)
    this.artifacts = [...this.artifacts, { name, path: textOf(members.path) }].slice(-MAX_ARTIFACTS)
    this.#note(`File: ${name}`)
  }

  #note(text: string | undefined): void {
    if (text === undefined) return
    this.terminal.write(text.length > MAX_NOTE ? `${text.slice(0, MAX_NOTE)}…` : text, 'note')
  }
}

/** What a line among the output says about another event; undefined for those that the page shows elsewhere. */
function noteOf(type: string, members: Members): string | undefined {
  if (type === 'job.created' || isEnd({ type })) return undefined
  if (type === 'job.started') {
    return `Attempt ${textOf(members.attempt)}${members.runner ? ` on ${textOf(members.runner)}` : ''}`
  }
  if (type !== 'job.requeued') return `${type} ${JSON.stringify(members)}`
  return members.reason === 'lease-expired'
    ? 'The runner was lost. The job is back in the queue.'
    : 'The runner has handed the job back. It is in the queue again.'
}

/** `{"done":3,"of":8}`, `{"done":3,"total":8}` or `{"percent":37.5}`, with a `message` or `step`. */
function progressIn({ done, of, total, percent, message, step }: Members): Progress {
  const text = textOf(message ?? step ?? '')
  const whole = of ?? total
  if (typeof done === 'number' && typeof whole === 'number' && whole > 0) {
    return { part: limited(done / whole), text: `${done} of ${whole}${text && `: ${text}`}` }
  }
  if (typeof percent === 'number') {
    return { part: limited(percent / 100), text: `${Math.round(percent)} %${text && `: ${text}`}` }
  }
  return { part: undefined, text: text || 'running' }
}

function limited(part: number): number {
  return Math.min(1, Math.max(0, part))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
