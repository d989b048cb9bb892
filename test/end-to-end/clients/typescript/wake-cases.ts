/** A page that comes back connects at once: it was offline, hidden, frozen, or asleep. */
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import type { BareTab } from '../../../harness/bare-tab.js'
import { until } from '../../../harness/until.js'
import { Tabs } from './tabs.js'

const OFFLINE = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 }

export async function testWakes(t: Test, browser: Browser): Promise<void> {
  await t.test('a page that comes back connects at once', async t => {
    const tabs = await Tabs.start(t, browser)
    const page = await tabs.open({ patient: true, skewed: true })

    const wakes: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
      [
        'offline',
        () => page.send('Network.emulateNetworkConditions', { offline: true, ...OFFLINE }),
        () => page.send('Network.emulateNetworkConditions', { offline: false, ...OFFLINE }),
      ],
      ['frozen', () => page.freeze(), () => page.thaw()],
      // Freezing has hidden the page, and thawing does not show it again.
      ['hidden', async () => {}, () => page.send('Emulation.setFocusEmulationEnabled', { enabled: true })],
      ['asleep', async () => {}, () => page.evaluate('skew += 3_600_000')],
    ]
    for (const [state, leave, come] of wakes) {
      await waiting(tabs, page)
      await leave()
      await tabs.publish(2)
      const before = await page.evaluate('tab.received.length')
      await come()
      await tabs.settle(`after it was ${state}`)
      t.equal(before, tabs.published - 2, `it waits while it is ${state}`)
    }
    t.strictSame(await tabs.faults(), [])

    const opened = () => page.evaluate('tab.states.filter(state => state === "open").length')
    const before = await opened()
    await page.evaluate('skew += 3_600_000')
    await until(
      'a connection that slept with the machine is replaced',
      async () => (await opened()) !== before,
    )
    await tabs.end()
  })
}

/** Restarts the gateway; the page then waits for a time that no test has. */
async function waiting(tabs: Tabs, page: BareTab): Promise<void> {
  await tabs.restart()
  await page.until('the page waits', 'tab.feed.state.name === "waiting"')
}
