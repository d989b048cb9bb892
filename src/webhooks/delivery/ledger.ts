/**
 * Stores the outcomes of deliveries: attempts, cursors, next tries, states. One write at a time; everything that is noted
 * meanwhile is the next one, so the writes are as large as the database is slow, and a single outcome waits for nothing.
 *
 * An outcome is noted after the receiver has answered, so a process that is killed in between sends again what it had not stored
 * (at-least-once, with the same `webhook-id`). A write that fails is tried again; while much is not stored, deliveries pause.
 */
import { setMaxListeners } from 'node:events'
import { databaseFault } from '../../database/database-fault.js'
import type { Logger } from '../../logging/logger.js'
import { Backoff } from '../../process/backoff.js'
import { aborted, elapsed, signalOrDeadline } from '../../process/deadline.js'
import type { AttemptRecord } from '../delivery-records.js'
import type { DeliveryBatch, EndpointChange } from './delivery-rows.js'
import { mergedChange } from './merged-change.js'

/** Attempts that may wait to be stored; each has at most about 2 KiB. */
const MAX_WAITING = 4_096
const RETRY_MS = { minMs: 50, maxMs: 2_000 }

export interface LedgerOptions {
  readonly logger: Logger
  record(batch: DeliveryBatch): Promise<readonly string[]>
  /** These endpoints have other epochs by now, or their changes cannot be stored. */
  onRefused(ids: readonly string[]): void
  /** There is room again. */
  onRoom(): void
}

export class Ledger {
  readonly #options: LedgerOptions
  readonly #over = new AbortController()
  #attempts: AttemptRecord[] = []
  #changes = new Map<string, EndpointChange>()
  #writing: Promise<void> | undefined
  #unstored = 0
  #wasFull = false
  #failing = false

  constructor(options: LedgerOptions) {
    this.#options = options
    // Each endpoint may wait for a flush.
    setMaxListeners(0, this.#over.signal)
  }

  get full(): boolean {
    return this.#unstored >= MAX_WAITING
  }

  /** Whether everything is stored. */
  get empty(): boolean {
    return this.#writing === undefined && this.#changes.size === 0
  }

  note(change: EndpointChange, attempts: readonly AttemptRecord[]): void {
    this.#attempts.push(...attempts)
    this.#unstored += attempts.length
    const key = `${change.id} ${change.epoch}`
    const known = this.#changes.get(key)
    this.#changes.set(key, known ? mergedChange(known, change) : change)
    this.#wasFull ||= this.full
    this.#writing ??= this.#write()
  }

  /** Resolves when everything that was noted until now is stored, or after `ms`. @returns whether it is. */
  async flush(ms: number): Promise<boolean> {
    if (this.empty) return true
    const { signal, release } = signalOrDeadline(this.#over.signal, ms)
    const late = aborted(signal)
    try {
      while (!this.empty && !signal.aborted) await Promise.race([this.#writing, late])
      return this.empty
    } finally {
      release()
    }
  }

  /** Drops everything that is not stored. */
  close(): void {
    this.#over.abort()
  }

  async #write(): Promise<void> {
    // Everything that is noted in this turn of the event loop is one write.
    await Promise.resolve()
    while (this.#changes.size > 0 && !this.#over.signal.aborted) {
      const batch = this.#take()
      await this.#store(batch)
      this.#unstored -= batch.attempts.length
      if (!this.#wasFull || this.full) continue
      this.#wasFull = false
      this.#options.onRoom()
    }
    // In the turn that has found nothing more: what is noted from now on begins the next write.
    this.#writing = undefined
  }

  #take(): DeliveryBatch {
    const batch = { attempts: this.#attempts, changes: [...this.#changes.values()] }
    this.#attempts = []
    this.#changes = new Map()
    return batch
  }

  async #store(batch: DeliveryBatch): Promise<void> {
    const { record, onRefused } = this.#options
    const backoff = new Backoff(RETRY_MS)
    const { signal } = this.#over
    while (!signal.aborted) {
      try {
        const refused = await record(batch)
        this.#failing = false
        if (refused.length > 0) onRefused(refused)
        return
      } catch (error) {
        const fault = databaseFault(error)
        this.#report(error, fault?.level ?? 'error')
        if (!fault) return await this.#storeApart(batch)
        await elapsed(backoff.next(), signal, { ref: false })
      }
    }
  }

  /** One endpoint must not keep the others from being stored: those that cannot be are given up, and claimed again. */
  async #storeApart({ attempts, changes }: DeliveryBatch): Promise<void> {
    const { record, onRefused } = this.#options
    const ids = new Set([...changes.map(({ id }) => id), ...attempts.map(({ webhook }) => webhook)])
    for (const id of ids) {
      const own = {
        attempts: attempts.filter(({ webhook }) => webhook === id),
        changes: changes.filter(change => change.id === id),
      }
      const refused = await record(own).catch(error => {
        this.#options.logger.error({ err: error, webhook: id }, 'Failed to store deliveries of a webhook.')
        return [id]
      })
      if (refused.length > 0) onRefused(refused)
    }
  }

  #report(error: unknown, level: 'warn' | 'error'): void {
    if (!this.#failing)
      this.#options.logger[level](
        { err: error },
        'Failed to store deliveries of webhooks; trying again until it succeeds.',
      )
    this.#failing = true
  }
}
