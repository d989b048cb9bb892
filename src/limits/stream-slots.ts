/**
 * Counts the open streams of this process per principal, workspace and address; a long poll, a waiting claim and an
 * export of the audit log count as one each. A slot is taken before the first wait, so that concurrent requests
 * cannot exceed the limit together, and it is released once, however the opening ends. A key without open streams
 * takes no memory.
 */
import { Problem } from '../problems/problem.js'

const STREAM_LIMITS = ['principal', 'workspace', 'address'] as const
export type StreamLimit = (typeof STREAM_LIMITS)[number]

/** Maximum number of streams per key. 0 = unlimited. */
export type StreamCaps = Readonly<Record<StreamLimit, number>>

export interface StreamHolder {
  readonly workspace: string
  /** Of the principal. */
  readonly id: string
  readonly address: string
}

export interface StreamSlot {
  /** Releasing twice has no effect. */
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

  /** A slot, or the name of the limit that is reached. */
  take({ workspace, id, address }: StreamHolder): StreamSlot | StreamLimit {
    // A workspace's name contains no space.
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

  /** The number of principals, workspaces and addresses with open streams. */
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

/** For requests that can be refused by a status. */
export function tooManyStreams(limit: StreamLimit): Problem {
  const detail = `There are too many open streams, waiting requests and exports of this ${limit}. Close some, or ask without \`wait\` or \`wait_ms\`.`
  return new Problem(429, 'too-many-streams', detail, { retry_after: 5 })
}
