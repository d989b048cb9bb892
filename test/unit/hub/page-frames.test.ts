import t from 'tap'
import { PageFrames } from '../../../src/hub/page-frames.js'
import type { Position, StoredEvent } from '../../../src/log/event.js'

const POSITIONS = [12, 13, 17, 18, 30] as Position[]
const page = new PageFrames(10 as Position, { anchor: idOf(10), events: POSITIONS.map(eventAt) })

t.test('a page shows the events that it has, and no others', async t => {
  for (let at = 8; at <= 32; at += 1) {
    const position = at as Position
    const known = at === 10 || POSITIONS.includes(position) ? idOf(at) : undefined
    t.equal(page.eventIdAt(position), known, `${at}`)
    t.equal(page.has({ position, eventId: idOf(at) }), known === undefined ? undefined : true)
    t.equal(page.has({ position, eventId: idOf(99) }), known === undefined ? undefined : false)
  }
})

t.test('the events beyond a place, whether there is an event or not', async t => {
  for (let at = 8; at <= 32; at += 1) {
    const beyond = page.beyond(at as Position).map(({ position }) => position)
    t.strictSame(
      beyond,
      POSITIONS.filter(position => position > at),
      `${at}`,
    )
  }
})

function idOf(position: number): string {
  return `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`
}

function eventAt(position: Position): StoredEvent {
  return { position, eventId: idOf(position), type: 'tick', data: '{}', at: new Date(0), way: 'http' }
}
