/** Cursors in the storage of a browser, over reloads, crashes and failures of the storage. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { BareTab } from '../../../harness/bare-tab.js'
import { CLIENT_SOURCES } from '../../../harness/client-pages.js'
import { publish } from '../../../harness/gateway.js'
import { token } from '../../../harness/tokens.js'
import { Tabs } from './tabs.js'

const EXPORTS = `export { createClient } from './client.js'
  export { webStorageCursor } from './browser/web-storage-cursor.js'
  export { indexedDbCursor } from './browser/indexed-db-cursor.js'
`
const alias = {
  'sluice-client': join(CLIENT_SOURCES, 'client.ts'),
  'sluice-client/indexed-db-cursor': join(CLIENT_SOURCES, 'browser/indexed-db-cursor.ts'),
}
/** What `tab.received` has is handled; `follow` is that of tab.js. */
const STORES: Readonly<Record<string, string>> = {
  localStorage: 'sluice.webStorageCursor()',
  sessionStorage: 'sluice.webStorageCursor({ storage: () => sessionStorage })',
  IndexedDB: 'sluice.indexedDbCursor()',
}
const FULL = `sluice.webStorageCursor({
  storage: () => ({ getItem: () => null, setItem() { throw new DOMException('full', 'QuotaExceededError') } }),
  report: error => reports.push(error.name),
})`

export async function testStorage(t: Test, browser: Browser): Promise<void> {
  await t.test('a page continues after a reload, and survives a storage that fails', async t => {
    const tabs = await Tabs.start(t, browser, EXPORTS, alias)
    const page = await BareTab.open(tabs.profile, tabs.site.origin)
    const follow = async (store: string) => {
      const client = `tab.client = sluice.createClient(${JSON.stringify({ url: tabs.gateway.url, credentials: token() })})`
      await page.evaluate(
        `tab.received = []; globalThis.reports = []; ${client}; void follow({ from: 'beginning', cursor: ${store} })`,
      )
    }
    const received = async (expected: readonly number[]) => {
      const text = JSON.stringify(expected)
      await page.until(`the page has received ${text}`, `JSON.stringify(tab.received) === '${text}'`)
    }
    const key = JSON.stringify(`${tabs.gateway.url}/api/events`)
    await tabs.publish(2)

    for (const [name, store] of Object.entries(STORES)) {
      await follow(store)
      await received(Array.from({ length: tabs.published }, (_, index) => index + 1))
      await page.until(
        `${name} has the cursor`,
        `${store}(${key}).load().then(id => id !== undefined && id === tab.feed.cursor)`,
      )
      await page.evaluate('globalThis.isOld = true')
      await page.send('Page.reload')
      await page.until(
        `${name}: the page is new`,
        'globalThis.isOld === undefined && document.readyState === "complete"',
      )
      await follow(store)
      await tabs.publish(1)
      await received([tabs.published])
    }

    await follow(FULL)
    await received(Array.from({ length: tabs.published }, (_, index) => index + 1))
    t.strictSame(await page.evaluate('reports'), ['QuotaExceededError'], 'a failure is reported once')
    t.strictSame(page.errors, [])
    await tabs.end()
  })

  await t.test(
    'examples/javascript/exactly-once-indexed-db.js copies each event once, though its page crashes',
    async t => {
      const example = await readFile(
        join(packageRoot, 'examples/javascript/exactly-once-indexed-db.js'),
        'utf8',
      )
      const tabs = await Tabs.start(t, browser, example, alias)
      const events = Array.from({ length: 400 }, (_, index) => ({
        type: 'door.opened',
        data: { n: index + 1 },
      }))
      await publish(tabs.gateway, events)

      const rows = `new Promise((resolve, reject) => {
      const opening = indexedDB.open('doors')
      opening.onerror = () => reject(opening.error)
      opening.onsuccess = () => {
        const reading = opening.result.transaction('doors').objectStore('doors').getAll()
        reading.onsuccess = () => resolve(reading.result.map(({ n }) => n))
      }
    })`
      const copy = async (count: number) => {
        const page = await BareTab.open(tabs.profile, tabs.site.origin)
        const client = `sluice.connect('${tabs.gateway.url}', '${token()}')`
        await page.evaluate(
          `void sluice.copyDoors(${client}).catch(error => { globalThis.failure = String(error) })`,
        )
        await page.until(
          `${count} rows`,
          `globalThis.failure !== undefined || ${rows}.then(all => all.length >= ${count})`,
        )
        t.equal(await page.evaluate('globalThis.failure'), undefined)
        return page
      }
      const first = await copy(100)
      await first.crash()
      await first.close()
      const second = await copy(400)

      const copied = (await second.evaluate(rows)) as number[]
      t.strictSame(
        copied.sort((a, b) => a - b),
        events.map(({ data }) => data.n),
      )
      await tabs.end()
    },
  )
}
