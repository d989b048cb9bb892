import t from 'tap'
import { StaleEvents } from '../../../src/hub/stale-events.js'
import type { Position, StreamId } from '../../../src/log/event.js'

t.test('the streams that changed last are remembered, however many have changed', async t => {
  const stale = new StaleEvents()
  const streams = Array.from({ length: 25_000 }, (_, n) => n as StreamId)
  for (const stream of streams) stale.note(stream, 2 as Position)

  t.ok(streams.slice(-10_000).every(stream => isStale(stale, stream, 2)))
  t.notOk(isStale(stale, streams[0], 2))
})

t.test('a later and smaller change takes nothing back, and a read forgets all changes', async t => {
  const stale = new StaleEvents()
  stale.note(1 as StreamId, 9 as Position)
  for (let n = 2; n < 10_500; n += 1) stale.note(n as StreamId, 1 as Position)
  stale.note(1 as StreamId, 3 as Position)

  t.ok(isStale(stale, 1, 9))
  t.notOk(isStale(stale, 1, 10))
  stale.clear([1 as StreamId], [])
  t.notOk(isStale(stale, 1, 1))
})

function isStale(stale: StaleEvents, stream: number | undefined, position: number): boolean {
  const events = [{ position }]
  return stale.has({ streamId: stream, events } as unknown as Parameters<StaleEvents['has']>[0])
}
