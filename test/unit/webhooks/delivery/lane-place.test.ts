import t from 'tap'
import type { Position } from '../../../../src/log/event.js'
import { LanePlace } from '../../../../src/webhooks/delivery/lane-place.js'

t.test(
  'the cursor stays before an event that is to be begun again, while later ones are settled',
  async t => {
    const place = new LanePlace(at(2))
    for (const n of [3, 4, 5]) place.begin(at(n), n)

    place.putBack(3)
    place.settle(4)
    t.match([place.cursor, place.oldestAt], [at(2), 3])
    place.begin(at(3), 3)
    place.settle(5)
    t.match([place.cursor, place.oldestAt], [at(2), 3])
    place.settle(3)
    t.match([place.cursor, place.isOpen], [at(5), false])
  },
)

t.test('it notes how far events were settled, and how far the others need no delivery', async t => {
  const place = new LanePlace(at(2))
  t.equal(place.hasMoved, false)

  place.begin(at(3), 3)
  place.settle(3)
  t.strictSame(place.takeNote(), { moved: at(3), passed: undefined })
  place.pass(at(6))
  t.equal(place.hasMoved, true)
  t.strictSame(place.takeNote(), { moved: undefined, passed: at(6) })
  place.begin(at(7), 7)
  place.settle(7)
  place.pass(at(9))
  t.strictSame(place.takeNote(), { moved: at(7), passed: at(9) })
  t.equal(place.hasMoved, false)
})

t.test('it goes back over events that need no delivery, and to no earlier place', async t => {
  const place = new LanePlace(at(2))
  place.begin(at(3), 3)
  place.settle(3)
  place.pass(at(6))
  place.takeNote()

  t.match([place.goBack(at(6)), place.cursor], [at(3), at(3)])
  t.equal(place.goBack(at(3)), undefined)
  place.begin(at(4), 4)
  t.equal(place.goBack(at(4)), undefined, 'the receiver may have one that is under way')
  place.settle(4)
  t.strictSame(place.takeNote(), { moved: at(4), passed: undefined })
})

t.test('it goes back before an event that was put back, if a later one was sent', async t => {
  const place = new LanePlace(at(2))
  for (const n of [3, 4, 5]) place.begin(at(n), n)
  place.putBack(3)
  place.putBack(5)

  t.match(place.goBack(at(6)), at(2))
  place.begin(at(3), 3)
  t.match(place.goBack(at(6)), at(4))
})

t.test('an event that was put back and is lost holds nothing up', async t => {
  const place = new LanePlace(at(2))
  for (const n of [3, 4]) place.begin(at(n), n)
  place.putBack(3)
  place.settle(4)

  place.begin(at(5), 5)
  place.settle(5)
  t.match([place.cursor, place.isOpen], [at(5), false])
  place.begin(at(6), 6)
  place.putBack(6)
  place.pass(at(7))
  t.match([place.cursor, place.isOpen], [at(7), false])
})

t.test('an event of a new history is settled beside the lost one at its place', async t => {
  const place = new LanePlace(at(2))
  place.begin(at(4), 4)
  place.begin(at(3, 'b'), 3)
  place.begin(at(4, 'b'), 4)

  for (const n of [4, 4, 3]) place.settle(n)

  t.equal(place.isOpen, false)
  t.equal(place.cursor.position, 4)
})

function at(position: number, history = 'a') {
  return {
    position: position as Position,
    eventId: `${history.repeat(8)}-0000-4000-8000-${String(position).padStart(12, '0')}`,
  }
}
