/** The fan-out groups of one stream. Groups with the same filter are neighbours, so that each event is judged once for all. */
import type { EventFilter } from '../log/event-filter.js'
import type { Encoding } from '../sse/encoding.js'
import type { Cursor } from './cursor.js'
import type { EventFrames } from './event-frames.js'
import { FanOutGroup, type Member } from './fan-out-group.js'

const NO_FILTER = ''

export class FanOutGroups {
  /** By the key of the filter, then by the group of the encoding. */
  readonly #groups = new Map<string, Map<string, FanOutGroup>>()

  /** Adds a member to its group, until the returned function is called. */
  join(member: Member, encoding: Encoding, filter: EventFilter | undefined): () => void {
    const key = filter?.key ?? NO_FILTER
    const { name, group: kind = name } = encoding
    const ofFilter = this.#groups.get(key) ?? new Map<string, FanOutGroup>()
    this.#groups.set(key, ofFilter)
    const group = ofFilter.get(kind) ?? new FanOutGroup(encoding, filter)
    ofFilter.set(kind, group)
    group.members.add(member)
    return () => {
      group.members.delete(member)
      if (group.members.size === 0 && ofFilter.get(kind) === group) ofFilter.delete(kind)
      if (ofFilter.size === 0 && this.#groups.get(key) === ofFilter) this.#groups.delete(key)
    }
  }

  get size(): number {
    return [...this.#all()].length
  }

  get clients(): number {
    let clients = 0
    for (const ofFilter of this.#groups.values()) {
      for (const { members } of ofFilter.values()) clients += members.size
    }
    return clients
  }

  /**
   * Hands the frames to all members, in short steps.
   * @param before the event before the first frame.
   */
  *send(frames: readonly EventFrames[], before: Cursor): Generator<void> {
    const groups = [...this.#all()]
    if (groups.some(({ filter }) => filter?.where)) for (const frame of frames) frame.keepContent()
    try {
      for (const group of groups) yield* group.send(frames, before)
    } finally {
      for (const frame of frames) frame.forgetContent()
    }
  }

  *#all(): Generator<FanOutGroup> {
    for (const ofFilter of this.#groups.values()) yield* ofFilter.values()
  }
}
