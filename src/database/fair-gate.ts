/**
 * A gate in front of a pool of connections, so that one workspace cannot take them all. It admits as many statements
 * and transactions as there are connections, except that a few are reserved for other workspaces. If none is free,
 * the next one goes to the waiting workspace that holds the fewest, and among equals to the one that was served
 * longest ago. A request whose client has gone leaves at once: it would take the place of clients that are there, and hold its slot of
 * open streams, while the client has long come back.
 *
 * Work without a workspace bypasses the gate: the publisher with its one connection (a second one while a commit is
 * stalled), retention, leases, rate windows. One connection is reserved for it. Nothing may enter twice: it would wait
 * for itself.
 */
import { Problem, unavailable } from '../problems/problem.js'
import type { Database } from './pool.js'

/** As long as a request waits for a new connection (src/database/pool.ts). */
const PATIENCE_MS = 5_000

/** Aborts when the caller has gone. A function is called only if the caller has to wait: thousands of signals cost CPU. */
export type Gone = AbortSignal | (() => AbortSignal | undefined) | undefined

export function signalOf(gone: Gone): AbortSignal | undefined {
  return typeof gone === 'function' ? gone() : gone
}

interface Waiting {
  enter(): void
}

export class FairGate {
  readonly #slots: number
  readonly #slotsOfOne: number
  readonly #patienceMs: number
  #used = 0
  readonly #held = new Map<string, number>()
  /** Per workspace; the one that was served longest ago comes first. */
  readonly #waiting = new Map<string, Set<Waiting>>()

  /** @param connections the size of the pool. */
  constructor(connections: number, patienceMs: number = PATIENCE_MS) {
    this.#slots = connections > 3 ? connections - 1 : connections
    this.#slotsOfOne = Math.max(1, this.#slots - Math.max(1, Math.floor(this.#slots / 4)))
    this.#patienceMs = patienceMs
  }

  /**
   * Runs the work, which may take one connection, when it is the workspace's turn.
   * @param gone aborts when the caller no longer waits for the result. Default: it always waits.
   * @throws {Problem} 503 `database-busy` if that does not happen in time.
   * @throws the reason of `gone`, if it aborts before.
   */
  async run<T>(workspace: string, work: () => Promise<T>, gone?: Gone): Promise<T> {
    const mayEnter = this.#used < this.#slots && this.#heldBy(workspace) < this.#slotsOfOne
    const left = mayEnter && typeof gone === 'function' ? undefined : signalOf(gone)
    left?.throwIfAborted()
    if (mayEnter) this.#take(workspace)
    else await this.#turnOf(workspace, left)
    try {
      // The caller may have gone after it got its slot, before this line ran.
      left?.throwIfAborted()
      return await work()
    } finally {
      this.#release(workspace)
    }
  }

  #heldBy(workspace: string): number {
    return this.#held.get(workspace) ?? 0
  }

  #take(workspace: string): void {
    this.#used += 1
    this.#held.set(workspace, this.#heldBy(workspace) + 1)
  }

  #release(workspace: string): void {
    this.#used -= 1
    const held = this.#heldBy(workspace) - 1
    if (held > 0) this.#held.set(workspace, held)
    else this.#held.delete(workspace)
    if (this.#waiting.size > 0) this.#letNextIn()
  }

  #turnOf(workspace: string, gone: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(late)
        gone?.removeEventListener('abort', leave)
        this.#leave(workspace, waiting)
      }
      const waiting: Waiting = {
        enter() {
          settle()
          resolve()
        },
      }
      const giveUp = (why: unknown) => {
        settle()
        reject(why)
      }
      const leave = () => giveUp(gone?.reason)
      const late = setTimeout(() => giveUp(databaseBusy()), this.#patienceMs)
      gone?.addEventListener('abort', leave)
      const queue = this.#waiting.get(workspace) ?? new Set()
      this.#waiting.set(workspace, queue.add(waiting))
    })
  }

  #letNextIn(): void {
    const next = this.#next()
    if (next === undefined) return
    const [workspace, waiting] = next
    waiting.enter()
    const queue = this.#waiting.get(workspace)
    // Moves the workspace behind the others that hold as few connections.
    if (queue && this.#waiting.delete(workspace)) this.#waiting.set(workspace, queue)
    this.#take(workspace)
  }

  #next(): [string, Waiting] | undefined {
    let least = this.#slotsOfOne
    let found: [string, Waiting] | undefined
    for (const [workspace, [first]] of this.#waiting) {
      const held = this.#heldBy(workspace)
      if (first === undefined || held >= least) continue
      least = held
      found = [workspace, first]
    }
    return found
  }

  #leave(workspace: string, waiting: Waiting): void {
    const queue = this.#waiting.get(workspace)
    queue?.delete(waiting)
    if (queue?.size === 0) this.#waiting.delete(workspace)
  }
}

const gates = new WeakMap<Database, FairGate>()

/** The gate of a pool; each pool has one. */
export function gateOf(database: Database): FairGate {
  const known = gates.get(database)
  if (known) return known
  const gate = new FairGate(database.options.max)
  gates.set(database, gate)
  return gate
}

/** Whether an error is a refusal by the gate. */
export function isBusy(error: unknown): boolean {
  return error instanceof Problem && error.code === 'database-busy'
}

function databaseBusy(): Problem {
  return unavailable(
    'database-busy',
    'Your workspace uses its share of the database connections, and none became free in time. Send fewer concurrent requests.',
  )
}
