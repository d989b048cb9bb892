/**
 * The cost of clients that have stopped reading: memory per client, and the delay of other clients' events. The
 * kernel buffers some megabytes per client before the gateway notices, so the events are large. Afterwards all of
 * them continue to read, and must have missed nothing.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Crowd } from './crowd.js'
import type { Row, Size } from './row.js'
import { now, percentile, round } from './statistics.js'
import { type Subject, startSubject } from './subject.js'

const STALLED = { default: [0, 200], full: [0, 1_000] }
const READERS = 100
const PADDING = 'x'.repeat(64 * 1_024)
const EVENTS = 100
const EVENTS_PER_SECOND = 10

export async function slow(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  let grownWithout = 0
  for (const stalled of STALLED[size]) {
    const subject = await startSubject()
    const readers = new Crowd()
    const sleepers = new Crowd()
    try {
      await readers.open(READERS, { server: subject })
      if (stalled > 0) await sleepers.open(stalled, { server: subject, stalls: true, notes: false })
      const before = await subject.residentBytes()
      const acknowledged = await publishAll(subject)
      await readers.reached(EVENTS)
      const { delays } = await readers.report(acknowledged)
      const grown = (await subject.residentBytes()) - before
      await sleepers.resume()
      if (stalled > 0) await sleepers.reached(EVENTS)

      if (stalled === 0) grownWithout = grown
      const [samples = []] = delays
      rows.push({
        readers: READERS,
        stalled,
        'MB/s each': round((PADDING.length * EVENTS_PER_SECOND) / 1e6),
        'commit→reader p50 ms': round(percentile(samples, 50)),
        'p99 ms': round(percentile(samples, 99)),
        'RSS grew by MB': round(grown / 1e6),
        'KB/stalled client': stalled > 0 ? round((grown - grownWithout) / stalled / 1_000) : '',
      })
    } finally {
      await readers.close()
      await sleepers.close()
      await subject.close()
    }
  }
  return rows
}

async function publishAll(subject: Subject): Promise<number[]> {
  const acknowledged: number[] = []
  const start = performance.now()
  for (let n = 0; n < EVENTS; n += 1) {
    await pause(Math.max(0, start + (n * 1_000) / EVENTS_PER_SECOND - performance.now()))
    await subject.publish(n, 1, PADDING)
    acknowledged.push(now())
  }
  return acknowledged
}
