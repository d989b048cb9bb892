/** One connection for all tabs, over HTTP/1.1, of which Chromium opens six to a host. */
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { until } from '../../../harness/until.js'
import { Tabs } from './tabs.js'

const TABS = 20
/** Often, so that a dead host is replaced within a second. */
const PING_MS = 400

export async function testTabs(t: Test, browser: Browser): Promise<void> {
  for (const worker of [true, false]) {
    const kind = worker ? 'a SharedWorker' : 'a tab'
    await t.test(
      `twenty tabs get every event once and in order, over one stream that ${kind} holds`,
      async t => {
        const tabs = await Tabs.start(t, browser)
        tabs.site.lifetime = 6
        for (let n = 0; n < TABS; n++) await tabs.open({ worker, ping: PING_MS })
        await tabs.publish(50)
        await tabs.settle('at first')
        t.equal(await tabs.streams(), 1)

        const leading = worker ? tabs.pages[0] : await tabs.leader()
        if (leading) await tabs.close(leading)
        await tabs.publish(50)
        await tabs.settle('after a tab was closed')

        if (worker) await endWorker(browser)
        else {
          const leader = await tabs.leader()
          await leader.crash()
          await tabs.close(leader)
        }
        await tabs.publish(50)
        await tabs.settle('after a crash of the host')

        await tabs.restart()
        await tabs.publish(50)
        await tabs.settle('after a crash of the gateway')

        const before = tabs.site.tokens
        await until('the credentials were renewed', () => tabs.site.tokens > before)
        await tabs.publish(50)
        await tabs.settle('after a renewal')

        t.strictSame(await tabs.faults(), [])
        await tabs.end()
      },
    )
  }
}

/** Ends the SharedWorker, as when its process crashes. */
async function endWorker(browser: Browser): Promise<void> {
  const session = await browser.newBrowserCDPSession()
  const workers = async () => {
    const { targetInfos } = await session.send('Target.getTargets')
    return targetInfos.filter(({ type }) => type === 'shared_worker').map(({ targetId }) => targetId)
  }
  const [worker = ''] = await workers()
  await session.send('Target.closeTarget', { targetId: worker })
  await until('the worker has ended', async () => !(await workers()).includes(worker))
}
