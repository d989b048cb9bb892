/**
 * What clients of one consumer were handed out and what they acknowledged, and whether that is what docs/consumers.md promises.
 * Times are of this process, which all clients run in.
 */
import { parseEventId } from '../../src/log/event-id.js'

/** A stream of the consumer, or pages of one epoch, as one client has received it. */
export interface Handing {
  readonly epoch: number
  /** When its request was sent, and when the client learned that it holds the consumer. */
  readonly askedAt: number
  readonly heldAt: number
  /** In the order in which they came: the event id, its data, and the greatest position that was acknowledged by then. */
  readonly events: { readonly id: string; readonly data: string; readonly sent: number }[]
}

export interface Ack {
  readonly epoch: number
  readonly position: number
  readonly sentAt: number
  /** Undefined: the response was lost. */
  status?: number
  doneAt?: number
  /** The cursor in the response. */
  cursor?: number
}

/** An event that the consumer must hand out, in the order of the log. */
export interface Due {
  readonly id: string
  readonly position: number
  readonly data: string
}

export class ConsumerLedger {
  readonly handings: Handing[] = []
  readonly acks: Ack[] = []
  /** Positions of the cursor in the row, each with the greatest position of which an acknowledgement was sent by then. */
  readonly samples: { readonly cursor: number; readonly sent: number }[] = []
  refusals = 0
  /** The log loses nothing here. */
  resets = 0
  /** The greatest position that a client has sent an acknowledgement of. */
  sent = 0

  constructor(
    readonly name: string,
    readonly maxInFlight: number,
  ) {}

  send(ack: Ack): void {
    this.acks.push(ack)
    this.sent = Math.max(this.sent, ack.position)
  }

  /** What is wrong; empty: nothing. @param cursor the position of the row at the end. */
  faults(due: readonly Due[], cursor: number): string[] {
    return [
      ...(this.resets > 0 ? [`there were ${this.resets} resets`] : []),
      ...this.#content(due),
      ...this.#order(due),
      ...this.#window(),
      ...this.#fencing(),
      ...this.#cursor(due, cursor),
    ].map(fault => `${this.name}: ${fault}`)
  }

  /** At least once, unchanged, and nothing else. */
  #content(due: readonly Due[]): string[] {
    const data = new Map(due.map(event => [event.id, event.data]))
    const came = new Map(this.handings.flatMap(({ events }) => events).map(event => [event.id, event.data]))
    const missing = due.filter(({ id }) => !came.has(id)).map(({ id }) => `${id} was never handed out`)
    const wrong = [...came]
      .filter(([id, text]) => data.get(id) !== text)
      .map(([id, text]) => `${id} was handed out with ${text}, and is ${data.get(id)}`)
    return [...missing, ...wrong]
  }

  /** Each event is the next one, or the first after a cursor that the consumer may have had. */
  #order(due: readonly Due[]): string[] {
    const next = new Map(due.map(({ position }, index) => [position, due[index + 1]?.position]))
    const firstAfter = (position: number) => due.find(event => event.position > position)?.position
    return this.handings.flatMap(({ epoch, askedAt, events }) => {
      // Places at which the cursor may have been while this was handed out.
      const before = Math.max(
        0,
        ...this.acks.filter(ack => isDone(ack) && (ack.doneAt ?? 0) < askedAt).map(at),
      )
      const cursors = [before, ...this.acks.map(at).filter(position => position >= before)]
      const starts = new Set(cursors.map(firstAfter))
      return events.flatMap(({ id, sent }, index) => {
        const position = positionOf(id)
        const previous = index > 0 ? positionOf(events[index - 1]?.id ?? '') : undefined
        if (previous !== undefined && next.get(previous) === position) return []
        // Forward only over events whose acknowledgement was sent.
        const most = Math.max(previous ?? 0, firstAfter(Math.max(sent, before)) ?? Infinity)
        return starts.has(position) && position <= most
          ? []
          : [`in epoch ${epoch}, ${id} came after ${previous ?? `the cursor ${before}`}`]
      })
    })
  }

  #window(): string[] {
    return this.handings.flatMap(({ epoch, events }) => {
      let run: number[] = []
      return events.flatMap(({ id, sent }) => {
        const position = positionOf(id)
        // What is handed out again was in flight before.
        run = [...run.filter(other => other > sent && other < position), position]
        return run.length > this.maxInFlight
          ? [`in epoch ${epoch}, ${run.length} were in flight with ${id}`]
          : []
      })
    })
  }

  /** Once a newer epoch holds the consumer, an older one acknowledges nothing. */
  #fencing(): string[] {
    return this.acks.flatMap(old => {
      if (!isDone(old)) return []
      const held = this.handings.find(({ epoch, heldAt }) => epoch > old.epoch && heldAt < old.sentAt)
      return held
        ? [`epoch ${old.epoch} acknowledged ${old.position}, and epoch ${held.epoch} held it before`]
        : []
    })
  }

  /** The cursor is where it was acknowledged to, and nowhere else. */
  #cursor(due: readonly Due[], end: number): string[] {
    const behind = this.acks.filter(ack => isDone(ack) && (ack.cursor ?? 0) < ack.position)
    const ahead = this.samples.flatMap(({ cursor, sent }) =>
      due.filter(({ position }) => position > sent && position <= cursor),
    )
    const last = due.at(-1)?.position ?? 0
    return [
      ...ahead.map(({ id }) => `the cursor passed ${id}, which no client had acknowledged`),
      ...behind.map(({ position, cursor }) => `after ${position} was acknowledged, the cursor was ${cursor}`),
      ...(end < last ? [`the cursor ended at ${end}, before ${last}`] : []),
    ]
  }
}

function isDone({ status }: Ack): boolean {
  return status === 200
}

function at({ position }: Ack): number {
  return position
}

export function positionOf(id: string): number {
  return parseEventId(id)?.position ?? Number.NaN
}
