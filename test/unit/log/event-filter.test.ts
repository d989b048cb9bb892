import t from 'tap'
import { bothFilters, EventFilter } from '../../../src/log/event-filter.js'

const event = (type: string) => ({ type, data: '{}' })

t.test('a filter that is restricted further selects only what both select, in either order', async t => {
  const wanted = EventFilter.ofTypes('item.*,user.created')
  const allowed = EventFilter.ofTypes('item.created,user.*')

  const both = bothFilters(wanted, allowed)

  t.ok(both?.matches(event('item.created')))
  t.ok(both?.matches(event('user.created')))
  t.notOk(both?.matches(event('item.deleted')))
  t.notOk(both?.matches(event('user.deleted')))
  t.equal(both?.key, bothFilters(allowed, wanted)?.key)
})

t.test(
  'two filters without a type in common select nothing, which is not the absence of a filter',
  async t => {
    const none = EventFilter.ofTypes('a').and(EventFilter.ofTypes('b'))

    t.notOk(none.matches(event('a')))
    t.notOk(none.matches(event('b')))
    t.not(none.key, '')
  },
)

t.test('the absence of a filter restricts nothing', async t => {
  const filter = EventFilter.ofTypes('a')

  t.equal(bothFilters(undefined, filter), filter)
  t.equal(bothFilters(filter, undefined), filter)
  t.equal(bothFilters(undefined, undefined), undefined)
})
