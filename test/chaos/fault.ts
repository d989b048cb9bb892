/** What the nemesis can do to a world. */
import type { Position } from '../../src/log/event.js'
import type { Random } from '../end-to-end/random.js'
import type { Load } from './load/load.js'
import type { World } from './world.js'

/** What a fault needs for itself: two faults that share a part are never injected at once. */
export type Part =
  | 'gateways'
  | 'upstream'
  | 'listener'
  | 'database'
  | 'publishers'
  | 'postgres'
  | 'nginx'
  | 'data'

export interface Scene {
  readonly world: World
  readonly load: Load
  readonly random: Random
  /** How long the fault lasts, in milliseconds: until its end is called. */
  readonly ms: number
  /** Events that the promotion of a standby loses. */
  readonly keepLost: KeepLost
  /** Records that retention removes the events of a stream up to one: called just before. */
  readonly keepRemoved: (stream: string, upTo: Position, id: string) => Promise<void>
}

/**
 * Call it while the new primary has not been written, and its result when the old one changes no more and both can be read: that records
 * what the new one does not have.
 */
export type KeepLost = (next: string) => Promise<(old: string) => Promise<void>>

/** Resolves when the fault is over, as far as it can be ended; recovery follows. */
export type End = () => Promise<void>

export interface Fault {
  /** As the history and the report have it. */
  readonly name: string
  readonly parts: readonly Part[]
  /** The names by which the checker knows what it may cause, besides its own. */
  readonly causes: readonly string[]
  /** It records itself under its own name, because that depends on a time or a stream that it alone knows. */
  readonly recordsItself?: boolean
  /** How long it lasts, in milliseconds, from the least to the most. */
  readonly lasts: readonly [least: number, most: number]
  /** Whether the run of a minute has it too. */
  readonly isShort?: boolean
  /** Resolves when it has happened, or has begun. */
  inject(scene: Scene): Promise<End>
}

export const ended: End = async () => {}
