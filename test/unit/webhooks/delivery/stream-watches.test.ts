import t from 'tap'
import { HubStream } from '../../../../src/hub/hub-stream.js'
import { HubTally } from '../../../../src/hub/hub-tally.js'
import { Pacing } from '../../../../src/hub/scheduling/pacing.js'
import type { Position, StreamId } from '../../../../src/log/event.js'
import { StreamWatches } from '../../../../src/webhooks/delivery/stream-watches.js'

t.test('endpoints whose stream is deleted while they open it open the next one of its name', async t => {
  const opened: HubStream[] = []
  const watches = new StreamWatches({
    async open() {
      const stream = streamOf(opened.length + 1)
      if (opened.length === 0) stream.onDeleted()
      opened.push(stream)
      return { stream, release: stream.hold() }
    },
  })
  const follow = async () => {
    const followed = await watches.follow('acme', 'orders', () => ({
      wake() {},
      forget() {},
      onDeleted() {},
    }))
    if (!followed) throw new Error('There is no stream.')
    return followed
  }
  const [one, other] = await Promise.all([follow(), follow()])
  t.match([one.stream.deleted, other.stream, opened.length], [true, one.stream, 1])

  // As they do after a pause: each one before the next.
  one.leave()
  const oneAgain = await follow()
  other.leave()
  const otherAgain = await follow()

  t.equal(opened.length, 2)
  t.match([oneAgain.stream.id, otherAgain.stream.id, watches.size], [2, 2, 1])
  await Promise.resolve()
  t.match([opened[0]?.idle, opened[1]?.idle], [true, false], 'the deleted stream is released')
})

function streamOf(id: number): HubStream {
  return new HubStream({
    ...{ id: id as StreamId, kind: 'stream', closed: false },
    head: { position: 0 as Position, eventId: '00000000-0000-4000-8000-000000000000' },
    ...{ pacing: new Pacing(), tally: new HubTally(), compareHead() {} },
  })
}
