/** Tabs that come late, are slow, freeze, hang, or may not: they neither miss an event nor keep the others waiting. */
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { until } from '../../../harness/until.js'
import { Tabs } from './tabs.js'

const PING_MS = 300
/** Longer than the test. */
const NEVER_MS = 600_000
/** More than the host lets a tab have unconsumed. */
const MANY = 600

export async function testTabLife(t: Test, browser: Browser): Promise<void> {
  for (const worker of [true, false]) {
    const kind = worker ? 'with a SharedWorker' : 'with a tab that leads'
    await t.test(`${kind}, each tab starts at its own place, and may be slow or frozen`, async t => {
      const tabs = await Tabs.start(t, browser)
      await tabs.publish(10)
      const options = { worker, ping: PING_MS }
      await tabs.open(options)
      await tabs.publish(5)
      await tabs.open({ ...options, feed: { from: 'beginning' } })
      await tabs.open({ ...options, feed: { last: 3 } })
      await tabs.open({ ...options, feed: { from: '999.aaaaaa' } })
      await tabs.open(options)
      await tabs.publish(1)
      await tabs.settle('with late tabs')
      t.strictSame(await tabs.evaluate('tab.received[0]'), [11, 1, 13, 16, 16])
      t.strictSame(await tabs.evaluate('tab.resets'), [[], [], [], ['history-lost'], []])

      const slow = await tabs.open({ ...options, slow: 1 })
      const [, frozen] = tabs.pages
      await frozen?.freeze()
      for (let n = 0; n < MANY; n += 100) await tabs.publish(100)
      const fast = tabs.pages.filter(page => page !== frozen && page !== slow)
      for (const page of fast) await tabs.hasNewest(page, 'while others are slow or frozen')
      t.ok(
        (await slow.evaluate(`tab.received.length < ${MANY}`)) === true,
        'the slow tab has not held up the others',
      )
      await frozen?.thaw()
      await tabs.settle('after one was slow and one frozen')
      t.match(
        await slow.evaluate('tab.states'),
        ['connecting', 'open', /^waiting/],
        'the slow tab has left the host',
      )
      t.strictSame(await tabs.faults(), [])
      await tabs.end()
    })
  }

  await t.test(
    'a leader that freezes resigns, one that hangs is replaced, and both miss nothing',
    async t => {
      const tabs = await Tabs.start(t, browser)
      for (let n = 0; n < 4; n++) await tabs.open({ worker: false, ping: PING_MS })
      const frozen = await tabs.leader()
      await frozen?.freeze()
      await tabs.publish(3)
      const awake = tabs.pages.filter(page => page !== frozen)
      for (const page of awake) await tabs.hasNewest(page, 'while the leader is frozen')

      const hanging = await tabs.leader(awake)
      await hanging.send('Debugger.enable')
      await hanging.send('Debugger.pause')
      await tabs.publish(3)
      for (const page of awake)
        if (page !== hanging) await tabs.hasNewest(page, 'while the next leader hangs')
      await hanging.send('Debugger.resume')
      await frozen?.thaw()
      await tabs.publish(3)

      await tabs.settle('after both are back')
      t.strictSame(await tabs.faults(), [])
      await tabs.end()
    },
  )

  await t.test('a leader that freezes or closes hands over before a ping misses it', async t => {
    const tabs = await Tabs.start(t, browser)
    for (let n = 0; n < 3; n++) await tabs.open({ worker: false, ping: NEVER_MS })
    const frozen = await tabs.leader()
    await frozen.freeze()
    await tabs.publish(1)
    const awake = tabs.pages.filter(page => page !== frozen)
    for (const page of awake) await tabs.hasNewest(page, 'while the leader is frozen')
    await tabs.close(await tabs.leader(awake))
    await frozen.thaw()
    await tabs.publish(1)
    await tabs.settle('after the next leader was closed')
    t.strictSame(await tabs.faults(), [])
    await tabs.end()
  })

  await t.test('credentials that end while nobody can log in: tabs wait, and miss nothing', async t => {
    const tabs = await Tabs.start(t, browser)
    tabs.site.lifetime = 3
    for (let n = 0; n < 2; n++) await tabs.open({ worker: true, ping: PING_MS })
    tabs.site.status = 503
    await until('the gateway has ended the stream', async () => (await tabs.streams()) === 0)
    await tabs.publish(2)
    Object.assign(tabs.site, { lifetime: 3_600, status: 200 })
    await tabs.settle('after the login is back')
    t.strictSame(await tabs.faults(), [])
    await tabs.end()
  })

  await t.test('tabs that await a job share its connection', async t => {
    const tabs = await Tabs.start(t, browser)
    for (let n = 0; n < 3; n++) await tabs.open({ worker: true, ping: PING_MS })
    const { id } = await tabs.post<{ id: string }>('/api/jobs', {
      kind: 'command',
      payload: { command: 'true' },
    })
    await tabs.evaluate(`tab.client.job('${id}').then(end => { tab.end = end }), undefined`)
    await until('the feed and the job have a stream each', async () => (await tabs.streams()) === 2)
    await tabs.post(`/api/jobs/${id}/cancel`)
    for (const page of tabs.pages) await page.until('the tab has the end', 'tab.end?.status === "cancelled"')
    await tabs.publish(1)
    await tabs.settle('after the job')
    await tabs.end()
  })

  await t.test('without Web Locks the tabs agree on a leader', async t => {
    const tabs = await Tabs.start(t, browser)
    for (let n = 0; n < 4; n++) await tabs.open({ worker: false, ping: PING_MS, withoutLocks: true })
    await tabs.publish(3)
    await tabs.settle('at first')
    const [leader] = tabs.pages
    await leader?.crash()
    if (leader) await tabs.close(leader)
    await tabs.publish(3)
    await tabs.settle('after the leader has crashed')
    t.strictSame(await tabs.faults(), [])
    await tabs.end()
  })

  await t.test('a reset and a refusal reach every tab, and no tab of another user', async t => {
    const tabs = await Tabs.start(t, browser)
    const options = { worker: true, ping: PING_MS, feed: { stream: 'room' } }
    await tabs.publish(2, 'room')
    for (let n = 0; n < 3; n++) await tabs.open(options)
    await tabs.remove('room')
    await until('each tab has loaded its state anew, once', async () =>
      (await tabs.evaluate('tab.resets.join()')).every(resets => resets === 'deleted'),
    )
    await tabs.end()

    const refused = await Tabs.start(t, browser)
    await refused.open({ ...options, feed: {} })
    const other = await refused.start({ ...options, feed: {}, user: 'eve', credentials: 'nonsense' })
    await other.until('the other user is refused', 'tab.error !== undefined')
    t.match(await other.evaluate('tab.error'), /^RefusedError token-invalid: /)
    await refused.publish(1)
    await refused.settle('with a refused user')
    await refused.end()
  })
}
