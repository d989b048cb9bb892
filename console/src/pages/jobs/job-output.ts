/** What the events of a job tell: its output as a terminal, its progress, its files. The state of the job itself comes with the job. */
import { Terminal } from '../../terminal/terminal.ts'
import type { StreamEvent } from '../../stream/stream-client.ts'

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
    if (members.redacted === true) return this.#note(`${type}: an admin has erased this: ${textOf(members.reason)}`)
    switch (type) {
      case 'output':
      case 'log':
        return this.#line(members)
      case 'progress':
        this.progress = progressIn(members)
        return
      case 'artifact':
        return this.#artifact(members)
      case 'job.created':
        return
      case 'job.started':
        this.progress = undefined
        return this.#note(`Attempt ${textOf(members.attempt)}${members.runner ? ` on ${textOf(members.runner)}` : ''}`)
      case 'job.requeued':
        return this.#note(
          members.reason === 'lease-expired'
            ? 'The runner was lost. The job is back in the queue.'
            : 'The runner has handed the job back. It is in the queue again.',
        )
      default:
        if (!isEnd({ type })) this.#note(`${type} ${JSON.stringify(data)}`)
    }
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

  #note(text: string): void {
    this.terminal.write(text.length > MAX_NOTE ? `${text.slice(0, MAX_NOTE)}…` : text, 'note')
  }
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
