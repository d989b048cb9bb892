/** Signing in to the console and out of it: a real gateway, a real browser, facts instead of pauses. */
import type { Page } from 'playwright-core'
import t from 'tap'
import { accessFaults, withoutBrowser } from '../../harness/browser.js'
import { movableClock } from '../../harness/clock.js'
import { goTo, openConsole, shows } from '../../harness/console.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { secondsFromNow, token } from '../../harness/tokens.js'

const skip = withoutBrowser()

async function signIn(page: Page, pasted: string): Promise<void> {
  await page.fill('[name=credentials]', pasted)
  await page.press('[name=credentials]', 'Enter')
}

t.test('somebody signs in with the keyboard alone, and gets the pages of the role', { skip }, async t => {
  const { url } = await startGateway(t)
  const { page, errors } = await openConsole(t, { url, credentials: null })

  t.strictSame(await accessFaults(page), [])
  await page.keyboard.type(` ${token({ role: 'viewer' })} `)
  await page.keyboard.press('Enter')
  await shows(page, '.state', 'Live')

  t.equal(page.url(), `${url}/`)
  t.equal(await page.locator('.who').textContent(), 'acme · viewer')
  t.strictSame(await page.locator('#navigation li a').allTextContents(), [
    'Feed',
    'Items',
    'Jobs',
    'Consumers',
    'Guide',
    'API',
    'OpenAPI',
  ])
  t.strictSame(await accessFaults(page), [])
  t.strictSame(errors, [])
})

t.test('an API key, the link of the banner and its lines are all taken', { skip }, async t => {
  const { url } = await startGateway(t)
  const made = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'console', role: 'editor' }),
  })
  const { key } = (await made.json()) as { key: string }
  const { page } = await openConsole(t, { url, credentials: null })
  const editor = token({ role: 'editor' })

  const roles: (string | null)[] = []
  for (const pasted of [key, `${url}/#token=${editor}`, `EDITOR_TOKEN=${editor}`]) {
    await signIn(page, pasted)
    await shows(page, '.state', 'Live')
    roles.push(await page.locator('.who').textContent())
    await page.click('#sign-out')
    await page.locator('#sign-in').waitFor()
  }

  t.strictSame(roles, Array(3).fill('acme · editor'))
  t.equal(await page.evaluate('sessionStorage.length'), 0, 'signing out forgets them')
})

t.test('credentials that are refused say why, and are not kept', { skip }, async t => {
  const { url } = await startGateway(t)
  const { page } = await openConsole(t, { url, credentials: null })

  await signIn(page, 'not a token')

  await shows(page, '[role=alert]', /token/i)
  t.equal(await page.evaluate('sessionStorage.length'), 0)
  // The refused text is selected: others replace it.
  await page.keyboard.type(token({ role: 'viewer' }))
  await page.keyboard.press('Enter')
  await shows(page, '.state', 'Live')
})

t.test('a token that expires is asked for again, and the page goes on in its place', { skip }, async t => {
  const gateway = await startGateway(t)
  await publish(gateway, { type: 'door.opened', data: { door: 1 } })
  const soon = token({ role: 'editor', sub: 'ada', exp: secondsFromNow(3_600) })
  const clock = movableClock(t)
  const { page } = await openConsole(t, { url: gateway.url, credentials: soon })
  await shows(page, '.text', '{"door":1}')
  await page.fill('#text', 'door')
  await page.evaluate(`document.querySelector('main').dataset.same = ''`)
  const resumedAfter: (string | undefined)[] = []
  page.on('request', request => {
    const { accept, 'last-event-id': cursor } = request.headers()
    if (accept === 'application/x-ndjson') resumedAfter.push(cursor)
  })

  clock.forward(2 * 3_600_000)
  await shows(page, 'dialog', 'Your token has expired.')
  t.strictSame(await accessFaults(page), [])
  await publish(gateway, { type: 'door.opened', data: { door: 2 } })
  await page.keyboard.type(token({ role: 'editor', sub: 'ada' }))
  await page.keyboard.press('Enter')

  await shows(page, '.text', '{"door":2}')
  t.strictSame(await page.locator('.place').allTextContents(), ['#2', '#1'], 'each event once')
  t.match(resumedAfter, [/^1\./], 'the stream goes on after the last event')
  t.equal(await page.locator('main[data-same]').count(), 1, 'the page is the same')
  t.equal(await page.inputValue('#text'), 'door')
  t.equal(await page.locator('dialog').count(), 0)
})

t.test('while nobody answers, the page waits and then signs in by itself', { skip }, async t => {
  const { url } = await startGateway(t)
  const { page } = await openConsole(t, { url })
  await shows(page, '.state', 'Live')

  await page.route('**/api/principal', route => route.abort())
  await page.reload()
  await shows(page, '.failure', 'The gateway does not answer')
  await page.unroute('**/api/principal')

  await shows(page, '.state', 'Live')
})

t.test('a copied link opens the stream that the page shows, once', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page } = await openConsole(t, { url: gateway.url })
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await goTo(page, '#/feed?types=door.*')
  await shows(page, '.state', 'Live')

  await page.locator('.dropdown summary').click()
  await page.getByRole('button', { name: 'Copy a link that works' }).click()
  await shows(page, '.announcement', 'Copied. The link opens this stream once, within 30 s.')
  const link = await page.evaluate<string>('navigator.clipboard.readText()')

  t.match(link, /\/api\/events\?types=door\.\*&ticket=/)
  const first = await fetch(link)
  t.equal(first.status, 200)
  await first.body?.cancel()
  t.equal((await fetch(link)).status, 401)
})
