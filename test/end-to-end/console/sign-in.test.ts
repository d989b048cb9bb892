/** Signing in to the console, as the pattern of its other tests: a real gateway, a real browser, facts instead of pauses. */
import t from 'tap'
import { accessFaults, withoutBrowser } from '../../harness/browser.js'
import { openConsole, shows } from '../../harness/console.js'
import { startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()

t.test('somebody signs in with the keyboard alone, and gets the pages of the role', { skip }, async t => {
  const { url } = await startGateway(t)
  const { page, errors } = await openConsole(t, { url, credentials: null })

  t.strictSame(await accessFaults(page), [])
  await page.keyboard.type(` ${token({ role: 'viewer' })} `)
  await page.keyboard.press('Enter')
  await shows(page, '.state', 'Live')

  t.equal(page.url(), `${url}/`)
  t.equal(await page.locator('.who').textContent(), 'acme · viewer')
  t.strictSame(await accessFaults(page), [])
  t.strictSame(errors, [])
})
