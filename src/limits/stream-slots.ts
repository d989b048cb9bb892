/**
 * Counts the open streams per principal, workspace and address; a long poll, a waiting claim and an export of the audit log
 * count as one each. A slot is taken before the first wait, so that concurrent requests cannot exceed the limit together, and
 * it is released once, however the opening ends. A key without open streams takes no memory.
 *
 * Within this process the caps are exact. With SharedSlots they hold for all processes together.
 */
import { Problem } from '../problems/problem.js'
import type { SharedSlots } from './shared-slots.js'
import {
  STREAM_LIMITS,
  type StreamCaps,
  type StreamHolder,
  type StreamLimit,
  type StreamSlot,
} from './stream-slot.js'

export class StreamSlots {
  readonly #caps: StreamCaps
  readonly #shared: SharedSlots | undefined
  readonly #open = { principal: new Map(), workspace: new Map(), address: new Map() } satisfies Readonly<
    Record<StreamLimit, Map<string, number>>
  >

  /** @param shared default: the caps hold for this process alone. */
  constructor(caps: StreamCaps, shared?: SharedSlots) {
    this.#caps = caps
    this.#shared = shared
  }

  /** A slot, or the name of the limit that is reached. */
  take({ workspace, id, address }: StreamHolder): StreamSlot | StreamLimit {
    // A workspace's name contains no space.
    const keys = { principal: `${workspace} ${id}`, workspace, address }
    const reached = STREAM_LIMITS.find(limit => this.#isFull(limit, keys[limit]))
    if (reached) return reached
    let released = false
    const slot: StreamSlot = {
      release: () => {
        if (released) return
        released = true
        for (const limit of STREAM_LIMITS) {
          const open = this.#add(limit, keys[limit], -1)
          this.#shared?.closed(limit, keys[limit], open, slot)
        }
      },
    }
    for (const limit of STREAM_LIMITS) {
      const open = this.#add(limit, keys[limit], 1)
      this.#shared?.opened(limit, keys[limit], open, slot)
    }
    return slot
  }

  /** The number of principals, workspaces and addresses with open streams. */
  get holders(): Readonly<Record<StreamLimit, number>> {
    const { principal, workspace, address } = this.#open
    return { principal: principal.size, workspace: workspace.size, address: address.size }
  }

  #isFull(limit: StreamLimit, key: string): boolean {
    const cap = this.#caps[limit]
    if (cap === 0) return false
    return (this.#open[limit].get(key) ?? 0) >= cap || (this.#shared?.isFull(limit, key) ?? false)
  }

  #add(limit: StreamLimit, key: string, step: 1 | -1): number {
    const open: Map<string, number> = this.#open[limit]
    const count = (open.get(key) ?? 0) + step
    if (count > 0) open.set(key, count)
    else open.delete(key)
    return count
  }
}

/** For requests that can be refused by a status. */
export function tooManyStreams(limit: StreamLimit): Problem {
  const detail = `There are too many open streams, waiting requests and exports of this ${limit}. Close some, or ask without \`wait\` or \`wait_ms\`.`
  return new Problem(429, 'too-many-streams', detail, { retry_after: 5 })
}
