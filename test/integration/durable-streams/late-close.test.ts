/** A durable stream that closes while a poll reads it. */
import t from 'tap'
import { readDurablePage } from '../../../src/durable-streams/reading/durable-page.js'
import { observed, startHub } from '../../harness/hub.js'
import { within } from '../../harness/patience.js'

t.test('a long poll ends when the stream closes while it reads events that are no messages', async t => {
  const { hub, pool, append } = await startHub(t)
  const handle = await hub.open('acme', 'feed')
  if (!handle) throw new Error('The feed is always there.')
  t.teardown(handle.release)
  await append(1, '{}', 'chunk.cancel')
  const database = observed(
    pool,
    () => {},
    name => {
      if (name === 'sluice-read-page') handle.stream.onClosed()
    },
  )
  const over = new AbortController()
  t.teardown(() => over.abort())

  const poll = readDurablePage(hub, database, {
    workspace: 'acme',
    stream: 'feed',
    from: { at: 'beginning' },
    limit: 100,
    filter: undefined,
    waitMs: 600_000,
    signal: over.signal,
    content: 'bytes',
    closed: false,
  })
  const result = await within(5_000, poll, () => 'The poll waits for a stream that has closed.')

  t.match(result, {
    outcome: 'page',
    page: { messages: 0, next: { position: 1 }, isHead: true, isEnd: true },
  })
})
