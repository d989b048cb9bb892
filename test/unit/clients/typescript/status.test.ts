/** The status that the hooks of clients/typescript show. */
import t from 'tap'
import type { Notice } from '../../../../clients/typescript/src/client.js'
import { type Status, StatusOf } from '../../../../clients/typescript/src/react/stream-status.js'

const state = (mode: 'normal' | 'degraded'): Notice => ({
  type: 'server.state',
  data: { mode },
  id: '1.k7f3qa',
  text: '',
})

t.test(
  'what is shown is behind while the gateway is degraded, or until the state was loaded anew',
  async t => {
    const seen: Status[] = []
    const status = new StatusOf(next => seen.push(next))

    status.state({ name: 'connecting' })
    status.state({ name: 'open' })
    status.notice(state('normal'))
    status.notice(state('degraded'))
    status.missing(true)
    status.notice(state('normal'))
    t.strictSame(seen, ['live', 'behind'], 'events are still missing')
    status.missing(false)
    status.missing(true)
    status.state({ name: 'waiting', ms: 1, reason: '' })
    status.state({ name: 'open' })
    status.missing(false)

    t.strictSame(seen, ['live', 'behind', 'live', 'behind', 'reconnecting', 'behind', 'live'])
  },
)
