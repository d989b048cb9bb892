/**
 * How many streams are open in this process, per principal, per workspace and per address; a long poll or a claim
 * that waits and an export of the audit log count as one each. A slot is taken before anything is waited for, so that those who come at the same time cannot pass the
 * limit together, and it is given back once, whatever became of the opening. Who counts nothing is not remembered.
 */
import { Problem } from '../problems/problem.js'

const STREAM_LIMITS = ['principal', 'workspace', 'address'] as const
export type StreamLimit = (typeof STREAM_LIMITS)[number]

/** Streams at most, per one of each; 0: as many as they like. */
export type StreamCaps = Readonly<Record<StreamLimit, number>>

export interface StreamHolder {
  readonly workspace: string
  /** Of the principal. */
  readonly id: string
  readonly address: string
}

export interface StreamSlot {
  /** Giving back twice is fine. */
  release(): void
}

export class StreamSlots {
  readonly #caps: StreamCaps
  readonly #open = { principal: new Map(), workspace: new Map(), address: new Map() } satisfies Readonly<
    Record<StreamLimit, Map<string, number>>
  >

  constructor(caps: StreamCaps) {
    this.#caps = caps
  }

  /** A slot, or the limit that leaves none. */
  take({ workspace, id, address }: StreamHolder): StreamSlot | StreamLimit {
    // No workspace has a space in its name.
    const keys = { principal: `${workspace} ${id}`, workspace, address }
    const reached = STREAM_LIMITS.find(limit => this.#isFull(limit, keys[limit]))
    if (reached) return reached
    for (const limit of STREAM_LIMITS) this.#add(limit, keys[limit], 1)
    let released = false
    return {
      release: () => {
        if (released) return
        released = true
        for (const limit of STREAM_LIMITS) this.#add(limit, keys[limit], -1)
      },
    }
  }

  /** Of how many principals, workspaces and addresses there are streams. */
  get holders(): Readonly<Record<StreamLimit, number>> {
    const { principal, workspace, address } = this.#open
    return { principal: principal.size, workspace: workspace.size, address: address.size }
  }

  #isFull(limit: StreamLimit, key: string): boolean {
    const cap = this.#caps[limit]
    return cap > 0 && (this.#open[limit].get(key) ?? 0) >= cap
  }

  #add(limit: StreamLimit, key: string, step: 1 | -1): void {
    const open: Map<string, number> = this.#open[limit]
    const count = (open.get(key) ?? 0) + step
    if (count > 0) open.set(key, count)
    else open.delete(key)
  }
}

/** For those who can be refused by a status. */
export function tooManyStreams(limit: StreamLimit): Problem {
  const detail = `There are too many open streams, waiting requests and exports of this ${limit}. Close some, or ask without \`wait\` or \`wait_ms\`.`
  return new Problem(429, 'too-many-streams', detail, { retry_after: 5 })
}
