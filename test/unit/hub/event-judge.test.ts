import t from 'tap'
import { EventJudge } from '../../../src/hub/event-judge.js'
import { ContentFilter } from '../../../src/log/content-filter/content-filter.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { sse } from '../../../src/sse/encoding.js'

const EVENT = {
  ...{ streamId: 1, position: 7, eventId: 'aaaaaaaa-0000-4000-8000-000000000000', at: 0 },
  ...{ type: 'thing.made', data: '{"n":1}', attributes: null },
}

t.test(
  'an event is scanned once for the clients with one condition, and encoded once in each form',
  async t => {
    const judge = new EventJudge(EVENT)
    let encoded = 0
    const form = {
      ...sse,
      event: (event: Parameters<typeof sse.event>[0]) => {
        encoded += 1
        return sse.event(event)
      },
    }
    const contents = new Set<unknown>()
    const { matches } = ContentFilter.prototype
    t.intercept(ContentFilter.prototype, 'matches', {
      value(this: ContentFilter, ...[event, content]: Parameters<typeof matches>) {
        contents.add(content)
        return matches.call(this, event, content)
      },
    })
    const [fits, misses] = [
      EventFilter.of({ where: 'data.n eq 1' }),
      EventFilter.of({ where: 'data.n eq 2' }),
    ]

    const judged = [fits, misses, fits].map(wanted => judge.judge({ wanted, granted: undefined }, form, 1))

    t.match(judged, [{ where: true, form: true }, { where: false }, { where: true }])
    t.equal(encoded, 1)
    t.strictSame([contents.size, contents.has(undefined)], [1, false])
  },
)

t.test('an event of another stream is not judged', async t => {
  t.equal(new EventJudge(EVENT).judge({ wanted: undefined, granted: undefined }, sse, 2), undefined)
})
