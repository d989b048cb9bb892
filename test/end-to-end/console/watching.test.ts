/** The number of clients that watch a stream, as the console shows it: the page itself is one of them. */
import type { Page } from 'playwright-core'
import t from 'tap'
import { openPage, withoutBrowser } from '../../harness/browser.js'
import { shows } from '../../harness/console.js'
import { startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()

/** Repeats nothing that has a longer period, and keeps each number that the page shows in `counts`. */
const prepare = (longestMs: number) => `{
  const repeat = window.setInterval
  window.setInterval = (act, ms) => (ms <= ${longestMs} ? repeat(act, ms) : 0)
  window.counts = []
  new MutationObserver(() => {
    const [count] = document.body?.innerText.match(/[0-9]+ watching/) ?? []
    if (count && window.counts.at(-1) !== count) window.counts.push(count)
  }).observe(document, { childList: true, characterData: true, subtree: true })
}`

const countsOf = (page: Page) => page.evaluate<string[]>('window.counts')

t.test(
  'a page counts itself as soon as its stream is open, and never says that none watch',
  { skip },
  async t => {
    const { url } = await startGateway(t)
    const { page } = await openPage(t)
    await page.addInitScript(prepare(0))
    await page.goto(`${url}/#token=${token({ role: 'editor' })}`)
    await shows(page, '.state', 'Live')
    await shows(page, 'button', '1 watching')

    await page.goto(`${url}/#/feed?stream=feed&types=door.*`)
    await shows(page, '.state', 'Live')
    await shows(page, 'button', '1 watching')

    t.strictSame(await countsOf(page), ['1 watching'])
  },
)

t.test(
  'a count of another process that does not know of the page yet is asked for again, soon',
  { skip },
  async t => {
    const { url } = await startGateway(t)
    const { page } = await openPage(t)
    await page.addInitScript(prepare(1_000))
    let answers = 0
    await page.route(/stream-clients/, async route => {
      answers += 1
      const none = { stream: 'feed', clients: 0, who: null, next_cursor: null, complete: true }
      await (answers > 3 ? route.continue() : route.fulfill({ json: none }))
    })

    await page.goto(`${url}/#token=${token({ role: 'viewer' })}`)
    await shows(page, '.hint', '1 watching')

    t.strictSame(await countsOf(page), ['1 watching'])
  },
)
