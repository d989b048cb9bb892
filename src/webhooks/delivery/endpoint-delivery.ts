/**
 * The deliveries to one endpoint that this process holds under a lease: its lanes, what they share, and what is noted of them.
 *
 *   open ── an admin changes it ──▶ closing ── nothing is under way ──▶ over
 *     │  └─ an attempt pauses or disables it ─▶   ▲
 *     └──── the lease is lost ──▶ lost ───────────┘ what is under way is cut
 *
 * **open**: its lanes begin deliveries, if the process may deliver now. **closing**: they begin nothing more, and the results of
 * deliveries under way are noted. **lost**: another process may deliver already, so requests under way are cut, and nothing is noted.
 * **over**: its lease can be released, or the endpoint opened again with its new settings.
 */
import { setMaxListeners } from 'node:events'
import type { Cursor } from '../../hub/cursor.js'
import type { HubStream } from '../../hub/hub-stream.js'
import { EventFilter } from '../../log/event-filter.js'
import type { Endpoint, Lane as LaneName } from '../endpoint.js'
import type { ClaimedEndpoint, EndpointChange } from './delivery-rows.js'
import type { DeliveryServices } from './delivery-services.js'
import { EventWindow } from './event-window.js'
import { Lane } from './lane.js'
import type { LaneChange, LaneHost, Sent, Try } from './lane-host.js'
import type { Loss } from './lane-options.js'
import { LaneReader } from './lane-reader.js'
import type { ResetReason } from './reset-message.js'

/** An endpoint to which nothing could be delivered for so long is stopped. */
const MOST_DAYS_WITHOUT_SUCCESS = 5
const DAY_MS = 86_400_000

export class EndpointDelivery implements LaneHost {
  readonly claimed: ClaimedEndpoint
  readonly #services: DeliveryServices
  readonly #leaseUntil: () => number
  readonly #lanes = new Map<LaneName, Lane>()
  readonly #cut = new AbortController()
  readonly #waitingForEnd = new Set<() => void>()
  #state: 'open' | 'closing' | 'lost' = 'open'
  #heldUntil = 0
  #failingSince: number | undefined

  /**
   * @param leaseUntil until when it may deliver, in milliseconds of performance.now().
   * @param loss a loss that is known already: the stream is another one of its name, so the log does not continue
   *   the cursor.
   */
  constructor(
    claimed: ClaimedEndpoint,
    stream: HubStream,
    services: DeliveryServices,
    leaseUntil: () => number,
    loss?: Loss,
  ) {
    // A parallel endpoint may have a hundred requests under way.
    setMaxListeners(0, this.#cut.signal)
    this.claimed = claimed
    this.#services = services
    this.#leaseUntil = leaseUntil
    this.#failingSince = claimed.failingSince?.getTime()
    const { types, where } = claimed.endpoint
    const filter = EventFilter.of({ types, where })
    const { starts, readers: database, held } = services
    const waitingIn = (name: LaneName) => claimed.waiting.filter(({ lane }) => lane === name)
    const open = (name: LaneName, from?: { cursor: Required<Cursor>; to?: number; loss?: typeof loss }) => {
      const reader = new LaneReader({ stream, starts, database, filter })
      const window = new EventWindow(held)
      this.#lanes.set(name, new Lane({ name, host: this, reader, window, waiting: waitingIn(name), ...from }))
    }
    open('live', { cursor: claimed.cursor, ...(loss && { loss }) })
    const { replay } = claimed
    if (replay) open('replay', { cursor: replay.cursor, to: replay.to.position })
    // The replay was stopped while tries were under way, which have left these: settle them.
    else if (waitingIn('replay').length > 0) this.#change({ settled: waitingIn('replay') })
    if (waitingIn('retry').length > 0) open('retry')
    if (claimed.endpoint.secrets.length === 0) this.#stop({ to: 'paused', reason: 'secret-unreadable' })
  }

  get endpoint(): Endpoint {
    return this.claimed.endpoint
  }

  get clock() {
    return this.#services.clock
  }

  get schedule() {
    return this.#services.schedule
  }

  get heldUntil(): number {
    return this.#heldUntil
  }

  /** The clock decides too: a process that was stopped takes answers before its timers run. */
  get mayBegin(): boolean {
    return this.#state === 'open' && performance.now() < this.#leaseUntil() && this.#services.mayDeliver()
  }

  get underWay(): number {
    return this.#sum(lane => lane.underWay)
  }

  get waiting(): number {
    return this.#sum(lane => lane.waiting)
  }

  /** The time of the first event that is not settled, in milliseconds since 1970; undefined if there is none. */
  get oldestAt(): number | undefined {
    return this.#lanes.get('live')?.oldestAt
  }

  wake(): void {
    for (const lane of [...this.#lanes.values()]) lane.wake()
  }

  forget(): void {
    for (const lane of this.#lanes.values()) lane.forget()
  }

  noteProgress(): void {
    for (const lane of this.#lanes.values()) lane.noteProgress()
  }

  /** Begins no further delivery. Resolves when none is under way. */
  close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing'
      for (const lane of this.#lanes.values()) {
        lane.noteProgress()
        lane.close()
      }
    }
    return this.underWay === 0 ? Promise.resolve() : new Promise(resolve => this.#waitingForEnd.add(resolve))
  }

  /** The lease is lost, or the process must end: requests under way are aborted, and nothing is noted any more. */
  lose(): void {
    void this.close()
    this.#state = 'lost'
    this.#cut.abort()
  }

  hold(until: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, until)
  }

  read<T>(work: () => Promise<T>): Promise<T> {
    return this.#services.reads(work)
  }

  unreadable(error: unknown): void {
    this.#services.unreadable(error)
  }

  async send({ number, load }: Try): Promise<Sent> {
    const turn = await this.#services.turns.take(this.endpoint, this.#cut.signal)
    if (!turn) return { kind: 'aborted' }
    try {
      return this.mayBegin ? await this.#send(number, load) : { kind: 'aborted' }
    } catch (error) {
      this.unreadable(error)
      return { kind: 'unreadable' }
    } finally {
      turn()
    }
  }

  async #send(number: number, load: Try['load']): Promise<Sent> {
    const { sender, tally } = this.#services
    const { signal } = this.#cut
    const message = await load()
    if (!message) return { kind: 'no-event' }
    if (message === 'gone') return { kind: 'gone' }
    if (signal.aborted || performance.now() >= this.#leaseUntil()) return { kind: 'aborted' }
    const startedAt = performance.now()
    const result = await sender.send(this.endpoint, message, number, signal)
    tally.sent(message, result, startedAt, number)
    return result
  }

  note(lane: LaneName, { moved, passed, attempt, ...change }: LaneChange): void {
    if (this.#state === 'lost') return
    if (attempt) this.#services.tally.settled(attempt)
    const { replay } = this.claimed
    const to = passed ?? moved
    this.#change(
      {
        ...change,
        ...(lane === 'live' && { cursor: moved, passed }),
        ...(lane === 'replay' && to && replay && { replay: { id: replay.id, ...to } }),
      },
      attempt ? [attempt] : [],
    )
  }

  attempted(succeeded: boolean, stop: EndpointChange['state']): void {
    const now = this.clock.now()
    if (succeeded) {
      this.#change({ succeededAt: new Date(now), ...(this.#failingSince && { failingSince: null }) })
      this.#failingSince = undefined
    } else {
      if (!this.#failingSince) this.#change({ failingSince: new Date(now) })
      this.#failingSince ??= now
      const tooLong = now - this.#failingSince >= MOST_DAYS_WITHOUT_SUCCESS * DAY_MS
      const skips = this.endpoint.onExhausted === 'skip'
      const state =
        stop ?? (tooLong && skips ? ({ to: 'disabled', reason: 'no-success' } as const) : undefined)
      if (state) this.#stop(state)
    }
  }

  ended(end: 'completed' | 'lost'): void {
    const { replay } = this.claimed
    const lane = this.#lanes.get('replay')
    if (!replay || !lane) return
    this.#lanes.delete('replay')
    const at = end === 'completed' ? replay.to : lane.cursor
    this.#change({ replay: { id: replay.id, ...at, ended: end } })
  }

  lost(reason: ResetReason, after: Cursor): void {
    this.#services.lost(this.endpoint, reason, after)
  }

  #stop(state: NonNullable<EndpointChange['state']>): void {
    if (this.#state !== 'open') return
    this.#change({ state })
    this.#services.stopped(this.endpoint, state)
    void this.close()
  }

  #change(change: Partial<EndpointChange>, attempts: Parameters<DeliveryServices['note']>[1] = []): void {
    const { id, epoch, endpoint } = this.claimed
    const { workspace } = endpoint
    if (this.#state !== 'lost')
      this.#services.note({ waiting: [], settled: [], dead: [], ...change, id, epoch, workspace }, attempts)
  }

  settled(): void {
    if (this.underWay > 0 || this.#waitingForEnd.size === 0) return
    for (const resolve of this.#waitingForEnd) resolve()
    this.#waitingForEnd.clear()
  }

  #sum(of: (lane: Lane) => number): number {
    let sum = 0
    for (const lane of this.#lanes.values()) sum += of(lane)
    return sum
  }
}
