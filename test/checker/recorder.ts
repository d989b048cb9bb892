/**
 * Writes the history of a run while it goes on. A run has one recorder for each of its processes; the files together are one
 * history (`npm run checker -- FILE…`), of which the first one has the header.
 */
import { fingerprint } from './fingerprint.js'
import type { Entry, EntryOf } from './history.js'
import { HistoryWriter, linesOf } from './history-file.js'
import { judge } from './oracle.js'
import { now } from './time.js'
import type { Verdict } from './verdict.js'
import { RecordedConsumer, RecordedJob, RecordedWebhook } from './work-recorder.js'

export interface RecorderOptions {
  readonly path: string
  /** Default: this is no first file, and has no header. */
  readonly header?: Omit<EntryOf<'history'>, 'k' | 'version'>
}

export class Recorder {
  readonly path: string
  readonly #writer: HistoryWriter

  constructor({ path, header }: RecorderOptions) {
    this.path = path
    this.#writer = new HistoryWriter(path)
    if (header) this.write({ k: 'history', version: 1, ...header })
  }

  write(entry: Entry): void {
    this.#writer.write(entry)
  }

  /** Declares a client. Its entries must be recorded in the order in which it has seen them. */
  client(client: Omit<EntryOf<'client'>, 'k'>): RecordedClient {
    this.write({ k: 'client', ...client })
    return new RecordedClient(this, client.client)
  }

  /** Call it before the first request of the publish is sent. */
  publish(publish: string, events: EntryOf<'started'>['events']): RecordedPublish {
    this.write({ k: 'started', t: now(), publish, events })
    return new RecordedPublish(this, publish)
  }

  /** Call it before its first client asks. */
  consumer(consumer: Omit<EntryOf<'consumer'>, 'k'>): RecordedConsumer {
    this.write({ k: 'consumer', ...consumer })
    return new RecordedConsumer(this, consumer.consumer)
  }

  /** Call it before its receiver can get a request, or put off what it gets. */
  webhook(webhook: Omit<EntryOf<'webhook'>, 'k'>): RecordedWebhook {
    this.write({ k: 'webhook', ...webhook })
    return new RecordedWebhook(this, webhook.webhook)
  }

  /** @param stream of the job, `<workspace>/job:<id>`. */
  job(stream: string): RecordedJob {
    return new RecordedJob(this, stream)
  }

  /**
   * Call it before it is done. It lasts until it is healed; without that it is a moment.
   * @param stream the only one that is concerned; default: all may be
   * @param base of retention: the id of the last event that goes
   */
  fault(fault: string, stream?: string, base?: string): void {
    const more = { ...(stream !== undefined && { stream }), ...(base !== undefined && { base }) }
    this.write({ k: 'fault', t: now(), fault, ...more })
  }

  /** Call it when it is over. What it causes may last a little longer (faults.ts). */
  healed(fault: string, stream?: string): void {
    this.write({ k: 'healed', t: now(), fault, ...(stream !== undefined && { stream }) })
  }

  quiet(): void {
    this.write({ k: 'quiet', t: now() })
  }

  sample(process: string, phase: EntryOf<'sample'>['phase'], measures: EntryOf<'sample'>['measures']): void {
    this.write({ k: 'sample', t: now(), process, phase, measures })
  }

  async close(): Promise<void> {
    await this.#writer.close()
  }

  /** Closes the file, and checks the history that consists of it and of other files. */
  async judge(...others: readonly string[]): Promise<Verdict> {
    await this.close()
    return await judge(linesOf(this.path, ...others))
  }
}

export class RecordedClient {
  readonly #recorder: Pick<Recorder, 'write'>
  readonly #name: string
  #connection = 0

  constructor(recorder: Pick<Recorder, 'write'>, name: string) {
    this.#recorder = recorder
    this.#name = name
  }

  /** @param id the one that it brings. */
  open(id: string | undefined): void {
    this.#connection += 1
    this.#write({ k: 'open', ...this.#here(), ...(id !== undefined && { id }) })
  }

  /** @param isLimit whether it refuses the client for a limit, and says when it may come back. */
  status(status: number, isLimit = false): void {
    this.#write({ k: 'status', ...this.#here(), status, ...(isLimit && { isLimit }) })
  }

  /** @param text everything of the event that the client has got, as the table would write it in the client's form (recorded-table.ts). */
  frame(id: string, type: string, text: string): void {
    this.#write({ k: 'frame', ...this.#here(), id, type, h: fingerprint(text) })
  }

  notice(name: string, id?: string, reason?: string): void {
    const more = { ...(id !== undefined && { id }), ...(reason !== undefined && { reason }) }
    this.#write({ k: 'notice', ...this.#here(), name, ...more })
  }

  close(by: EntryOf<'close'>['by']): void {
    this.#write({ k: 'close', ...this.#here(), by })
  }

  /** It does not come back, and need not have everything. */
  left(): void {
    this.#write({ k: 'left', t: now(), c: this.#name })
  }

  #here() {
    return { t: now(), c: this.#name, n: this.#connection }
  }

  #write(entry: Entry): void {
    this.#recorder.write(entry)
  }
}

export class RecordedPublish {
  readonly #recorder: Pick<Recorder, 'write'>
  readonly #name: string

  constructor(recorder: Pick<Recorder, 'write'>, name: string) {
    this.#recorder = recorder
    this.#name = name
  }

  /** @param undone the marks that the transaction took back itself. */
  acknowledged(undone: readonly string[] = []): void {
    this.#outcome('acknowledged', undone.length > 0 ? { undone: [...undone] } : {})
  }

  /** @param why `rolled back` or `fenced` if it was done on purpose; else a status or a SQLSTATE. */
  failed(why: string): void {
    this.#outcome('failed', { why })
  }

  /** The answer was lost: all of it is stored, but for what the transaction took back, or nothing. */
  unknown(undone: readonly string[] = []): void {
    this.#outcome('unknown', undone.length > 0 ? { undone: [...undone] } : {})
  }

  #outcome(outcome: EntryOf<'outcome'>['outcome'], more: Pick<EntryOf<'outcome'>, 'why' | 'undone'>): void {
    this.#recorder.write({ k: 'outcome', t: now(), publish: this.#name, outcome, ...more })
  }
}
