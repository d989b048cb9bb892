/** A durable stream that closes while a poll reads it. */
import t from 'tap'
import { readDurablePage } from '../../../src/durable-streams/reading/durable-page.js'
import type { StartAt } from '../../../src/hub/start.js'
import { observed, startHub } from '../../harness/hub.js'
import { within } from '../../harness/patience.js'
import { until } from '../../harness/until.js'

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

t.test(
  'no page says that its end is the end of a stream whose last message arrived after it was read',
  async t => {
    const { hub, pool, append } = await startHub(t)
    const handle = await hub.open('acme', 'feed')
    if (!handle) throw new Error('The feed is always there.')
    const { stream } = handle
    t.teardown(handle.release)
    await append(1)
    let reads = 0
    const database = observed(
      pool,
      () => {},
      async name => {
        if (name !== 'sluice-read-page') return
        reads += 1
        if (reads > 1) return
        await append(1)
        await until('the last message is here', () => stream.head.position === 2)
        stream.onClosed()
      },
    )
    const read = (from: StartAt) =>
      readDurablePage(hub, database, {
        ...{ workspace: 'acme', stream: 'feed', from, limit: 100, filter: undefined, waitMs: 0 },
        ...{ signal: new AbortController().signal, content: 'json', closed: false },
      })

    t.match(await read({ at: 'beginning' }), { page: { next: { position: 1 }, isEnd: false } })
    t.match(await read({ at: 'beginning' }), { page: { next: { position: 2 }, isEnd: true } })
  },
)
