/** The messages between the processes of the bench `tokens`, over IPC. */
import type { Paced } from './paced.js'

/** The second one lets tokens of 100 ms go together, instead of 20. */
export type System = 'Sluice' | 'Sluice, 100 ms' | 'resumable-stream'

export interface ProducerWork {
  readonly system: System
  /** The gateway, or redis-server. */
  readonly url: string
  readonly token: string
  readonly paced: Paced
}

export interface ReaderWork {
  /** Of one stream each. */
  readonly urls: readonly string[]
  readonly token: string
  /** Tokens of each stream. */
  readonly tokens: number
  /** Latencies count from this token on. */
  readonly counted: number
}

export interface Latencies {
  readonly p50: number
  readonly p99: number
}

export type Message =
  | { readonly name: 'ready' }
  | { readonly name: 'go' }
  | { readonly name: 'done'; readonly latencies?: Latencies }
  | { readonly name: 'fault'; readonly reason: string }

export function streamOf(n: number): string {
  return `tokens/${n}`
}

export function tell(message: Message): void {
  process.send?.(message)
}

/** Runs the work of this process, whose description is its first argument. */
export function runWork<Work>(run: (work: Work, go: Promise<void>) => Promise<void>): void {
  const go = new Promise<void>(resolve => process.once('message', () => resolve()))
  run(JSON.parse(process.argv[2] ?? ''), go).catch(error => {
    tell({ name: 'fault', reason: String(error?.stack ?? error) })
  })
}
