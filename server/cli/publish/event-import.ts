/**
 * Publishes lines of events in batches, in their order. Each batch has an idempotency key that consists of the import's key and the
 * number of its first line: a batch that is sent again, by a retry or by a repeated command, is not published twice.
 */
import type { Client, StoredEvent } from '../../../clients/typescript/src/client.js'
import { RefusedError } from '../../../clients/typescript/src/errors.js'
import { ExitCode, Failure } from '../exit-code.js'
import type { Terminal } from '../terminal.js'
import { BadLine, type Batch, batchesOf } from './event-batches.js'
import { grouped, Progress } from './progress.js'

const PAUSE_MS = 200
/** docs/protocol.md, Publishing. */
const MAX_DATA_BYTES = 262_144

export interface ImportOptions {
  readonly client: Client
  readonly terminal: Terminal
  readonly input: AsyncIterable<Uint8Array>
  /** Its bytes, if they are known. */
  readonly total: number | undefined
  readonly stream: string | undefined
  readonly key: string
  /** Whether the person gave the key, to be able to repeat the command: then the batches must be the same each time. */
  readonly isRepeatable: boolean
  readonly batch: number
  readonly fromLine: number
  /** Whether each stored event is written as JSON. */
  readonly json: boolean
  readonly signal: AbortSignal
}

export class EventImport {
  readonly #options: ImportOptions
  readonly #progress: Progress
  #events = 0
  #replayed = 0
  /** Every event up to this line is published. */
  #line: number
  #id: string | undefined

  constructor(options: ImportOptions) {
    this.#options = options
    this.#progress = new Progress(options.terminal.err, options.total)
    this.#line = options.fromLine - 1
  }

  /** @returns whether all lines are published; false after an interruption. It has said on standard error what is published. */
  async run(): Promise<boolean> {
    const { input, batch: size, fromLine, isRepeatable, signal } = this.#options
    const pauseMs = isRepeatable ? undefined : PAUSE_MS
    let batch: Batch | undefined
    try {
      for await (batch of batchesOf(input, { size, fromLine, pauseMs, signal })) {
        await this.#publish(batch)
        batch = undefined
        signal.throwIfAborted()
      }
      await this.#say(`${this.#summary()}.`)
      return true
    } catch (error) {
      const isOpen = batch && !(error instanceof RefusedError)
      await this.#say(`${this.#summary()}. ${this.#remedy(isOpen ? batch : undefined)}`)
      if (signal.aborted) return false
      throw await this.#withLine(error, batch)
    }
  }

  async #publish({ events, lines, read }: Batch): Promise<void> {
    const { client, stream, key, json, terminal, signal } = this.#options
    const { body, headers } = await client.gateway.request<{ events: readonly StoredEvent[] }>(
      'POST',
      '/api/events',
      {
        body: events,
        query: { stream },
        headers: { 'Idempotency-Key': `${key}:${lines[0]}` },
        signal,
        isRepeatable: true,
      },
    )
    this.#events += events.length
    if (headers.get('idempotency-replayed') === 'true') this.#replayed += events.length
    this.#line = lines.at(-1) ?? this.#line
    this.#id = body.events.at(-1)?.id
    if (json) {
      const stored = body.events.map((event, at) => `${JSON.stringify({ line: lines[at], ...event })}\n`)
      await terminal.out.write(stored.join(''))
    }
    await this.#progress.show(this.#events, read)
  }

  #summary(): string {
    const before = this.#replayed === 0 ? '' : `, of which ${grouped(this.#replayed)} had been before`
    const where = this.#id === undefined ? '' : `: the lines to ${this.#line}, the last one as ${this.#id}`
    const events = this.#events === 1 ? '1 event is' : `${grouped(this.#events)} events are`
    return `${events} published${before}${where}`
  }

  #remedy(batch: Batch | undefined): string {
    const open = batch ? `Lines ${batch.lines[0]} to ${batch.lines.at(-1)} may be. ` : ''
    const { key, isRepeatable } = this.#options
    const from = isRepeatable ? '' : ` --from-line ${this.#line + 1}`
    return `${open}To continue, repeat the command with --key ${key}${from}; nothing is published twice.`
  }

  async #say(text: string): Promise<void> {
    await this.#progress.clear()
    await this.#options.terminal.err.line(text)
  }

  /** A refusal names the line, if the gateway says which event it means. */
  async #withLine(error: unknown, batch: Batch | undefined): Promise<unknown> {
    if (error instanceof BadLine || !batch || !(error instanceof RefusedError)) return error
    const at = await refusedAt(error, batch)
    if (at === undefined) return error
    const detail = error.detail ?? error.message
    return new Failure(
      `The gateway refuses line ${batch.lines[at]}: ${detail} (${error.code})`,
      ExitCode.refused,
    )
  }
}

async function refusedAt({ code, problem }: RefusedError, { events }: Batch): Promise<number | undefined> {
  if (code === 'reserved-type') {
    const { RESERVED_PREFIX, RESERVED_TYPES } = await import('../../../src/log/event-catalogue.js')
    const at = events.findIndex(({ type }) => type.startsWith(RESERVED_PREFIX) || RESERVED_TYPES.has(type))
    return at < 0 ? undefined : at
  }
  if (code === 'event-too-large') {
    const at = events.findIndex(({ data }) => Buffer.byteLength(JSON.stringify(data)) > MAX_DATA_BYTES)
    return at < 0 ? undefined : at
  }
  const errors: unknown = problem?.errors
  const [first]: unknown[] = Array.isArray(errors) ? errors : []
  const [, at] = /^body\/(\d{1,4})\//.exec(String(Object(first).path)) ?? []
  return at === undefined ? undefined : Number(at)
}
