/** The client in Chromium: one browser for all of these tests, because it takes a second to start. */
import t from 'tap'
import { openBrowser, withoutBrowser } from '../../../harness/browser.js'
import { testReact } from './react-cases.js'
import { testStorage } from './storage-cases.js'
import { testTabLife } from './tab-life-cases.js'
import { testTabs } from './tabs-cases.js'
import { testVite } from './vite-cases.js'
import { testWakes } from './wake-cases.js'

t.test('in Chromium', { skip: withoutBrowser() }, async t => {
  const browser = await openBrowser(t)
  await testReact(t, browser)
  await testTabs(t, browser)
  await testTabLife(t, browser)
  await testWakes(t, browser)
  await testStorage(t, browser)
  await testVite(t, browser)
})
