import type { Committed } from '../log/committed.js'
import type { Bus } from './bus.js'

/** Tells the other processes of committed events: with the events, if the bus carries them. */
export function announceOn(bus: Pick<Bus, 'wake' | 'announce'>, committed: readonly Committed[]): void {
  if (bus.announce) bus.announce(committed)
  else bus.wake(committed.map(({ streamId }) => streamId))
}
