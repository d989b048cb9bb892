/**
 * Limits how many events a subscription may have written that its client has not acknowledged. The hub asks the window before
 * it writes, and reports what it has written; src/consumers/ implements it for the streams of consumers. A subscription with a
 * window is in no fan-out group: it reads all of its events as a catching-up subscriber does.
 */

import type { StreamId } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import type { NoticeData } from '../log/notice-catalogue.js'
import type { Cursor } from './cursor.js'
import type { EventFrames } from './event-frames.js'
import type { Start } from './start.js'

/** Why the holder of a consumer holds it no longer. */
export const HOLD_LOSSES = ['taken-over', 'sought', 'changed', 'consumer-deleted'] as const
export type HoldLoss = (typeof HOLD_LOSSES)[number]

/** The actions of a window on its subscription. They do nothing once the subscription has closed. */
export interface WindowedSubscription {
  readonly stream: { readonly id: StreamId }
  /** Continues after this place. If events after it were already written, they are written again. */
  continueAfter(cursor: Cursor): void
  /** Ends the subscription; the client gets the reason. */
  stop(why: HoldLoss): void
}

export interface DeliveryWindow {
  /** The consumer whose events the window hands out, as the client gets it in its first `server.state`. */
  readonly consumer: NonNullable<NoticeData<'server.state'>['consumer']>
  /** Events that may be written now, without an acknowledgement. */
  readonly room: number
  /** Events that were written and not acknowledged. */
  readonly inFlight: number
  /** Why the consumer is lost; undefined while it is held. It may be lost before the subscription opens. */
  readonly loss: HoldLoss | undefined
  /** Resolves when there may be more room, or the subscription has closed. */
  changed(): Promise<void>
  /** The frames came from the log and were written, up to this cursor. @param events those that the client got, in order. */
  wrote(events: readonly EventFrames[], upTo: Cursor): void
  /** The subscription continues after this place, the last one that the client knows: the log may have lost what the filter left out since. */
  rewound(cursor: Cursor): void
  /** The client got `reset` and continues after this place. */
  reset(cursor: Cursor): void
  /** Where the subscription starts: at `start`, or further on if more was acknowledged since it was found. @param stream the one that is open. */
  startFrom(start: Start, stream: StreamId): Start
  /** Called once, in the turn of the event loop in which the subscription opens. */
  onOpened(subscription: WindowedSubscription, start: Start): void
  /** Called once, when it has closed for whatever reason. */
  onClosed(): void
}

/** The first frames, as many as hold at most `room` events for the client. */
export function withinRoom(
  frames: readonly EventFrames[],
  room: number,
  filter: EventFilter | undefined,
): readonly EventFrames[] {
  let left = room
  const end = frames.findIndex(frame => {
    left -= Number(isFor(frame, filter))
    return left < 0
  })
  return end < 0 ? frames : frames.slice(0, end)
}

export function isHoldLoss(why: string): why is HoldLoss {
  return HOLD_LOSSES.some(loss => loss === why)
}

/** The frames between two places that the client gets. */
export function eventsUpTo(
  frames: readonly EventFrames[],
  after: Cursor,
  upTo: Cursor,
  filter: EventFilter | undefined,
): readonly EventFrames[] {
  const isBetween = ({ position }: EventFrames) => position > after.position && position <= upTo.position
  return frames.filter(frame => isBetween(frame) && isFor(frame, filter))
}

/** Whether the client gets the event. */
export function isFor(frame: EventFrames, filter: EventFilter | undefined): boolean {
  return !frame.isPassedOver && (filter === undefined || frame.matches(filter))
}
