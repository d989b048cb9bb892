/**
 * A gate before a pool of connections, so that one workspace cannot have them all. It lets through as many statements and
 * transactions as there are connections, but for a few of one workspace, which are kept for others. When none is left, those
 * that wait get the next one by the number that their workspaces hold, the smallest first, and then by turns.
 *
 * What belongs to no workspace passes by the gate: the publisher with its one connection, retention, leases, rate windows.
 * One connection is left for it. Nothing may enter twice: it would wait for itself.
 */
import { Problem, unavailable } from '../problems/problem.js'
import type { Database } from './pool.js'

/** As long as a request waits for a connection to be made (src/database/pool.ts). */
const PATIENCE_MS = 5_000

interface Waiting {
  enter(): void
}

export class FairGate {
  readonly #slots: number
  readonly #slotsOfOne: number
  readonly #patienceMs: number
  #used = 0
  readonly #held = new Map<string, number>()
  /** By workspaces, the one that was served longest ago first. */
  readonly #waiting = new Map<string, Set<Waiting>>()

  /** @param connections of the pool. */
  constructor(connections: number, patienceMs: number = PATIENCE_MS) {
    this.#slots = connections > 3 ? connections - 1 : connections
    this.#slotsOfOne = Math.max(1, this.#slots - Math.max(1, Math.floor(this.#slots / 4)))
    this.#patienceMs = patienceMs
  }

  /**
   * Does the work, which may take one connection, when it is the workspace's turn.
   * @throws {Problem} 503 `database-busy` when that does not come.
   */
  async run<T>(workspace: string, work: () => Promise<T>): Promise<T> {
    if (this.#used < this.#slots && this.#heldBy(workspace) < this.#slotsOfOne) this.#take(workspace)
    else await this.#turnOf(workspace)
    try {
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

  #turnOf(workspace: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        enter() {
          clearTimeout(late)
          resolve()
        },
      }
      const late = setTimeout(() => {
        this.#leave(workspace, waiting)
        reject(databaseBusy())
      }, this.#patienceMs)
      const queue = this.#waiting.get(workspace) ?? new Set()
      this.#waiting.set(workspace, queue.add(waiting))
    })
  }

  #letNextIn(): void {
    const next = this.#next()
    if (next === undefined) return
    const [workspace, waiting] = next
    this.#leave(workspace, waiting)
    const queue = this.#waiting.get(workspace)
    // Behind the others of as few.
    if (queue && this.#waiting.delete(workspace)) this.#waiting.set(workspace, queue)
    this.#take(workspace)
    waiting.enter()
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

/** The one gate of a pool. */
export function gateOf(database: Database): FairGate {
  const known = gates.get(database)
  if (known) return known
  const gate = new FairGate(database.options.max)
  gates.set(database, gate)
  return gate
}

/** Whether the gate refused. */
export function isBusy(error: unknown): boolean {
  return error instanceof Problem && error.code === 'database-busy'
}

function databaseBusy(): Problem {
  return unavailable(
    'database-busy',
    'Your workspace uses its share of the database connections, and none became free in time. Send fewer requests at a time.',
  )
}
