/** Events per second of each stream, from two readings of its head. */
import { useRef } from 'preact/hooks'
import type { StreamDocument } from '../../../../src/streams/stream-document.ts'
import { positionOf } from '../../stream/stream-client.ts'

interface Reading {
  readonly position: number
  readonly at: number
  /** Undefined: read once only. */
  readonly rate: number | undefined
}

/** @returns undefined for a stream that was read once only. */
export function useRates(
  streams: readonly StreamDocument[] | undefined,
): (name: string) => number | undefined {
  const readings = useRef(new Map<string, Reading>())
  const before = useRef(streams)
  if (streams && streams !== before.current) {
    before.current = streams
    const at = performance.now()
    readings.current = new Map(
      streams.map(({ name, head }) => {
        const position = positionOf(head.id)
        const last = readings.current.get(name)
        const rate = last && (1_000 * Math.max(0, position - last.position)) / (at - last.at)
        return [name, { position, at, rate }]
      }),
    )
  }
  return name => readings.current.get(name)?.rate
}

export function rateText(rate: number | undefined): string {
  if (rate === undefined) return '…'
  return rate === 0 ? '0' : rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en')
}
