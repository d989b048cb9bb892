/** The page of API keys: a real gateway, a real browser. */
import t from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { goTo, openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()
const admin = token({ role: 'admin' })
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>`

async function createKey({ url }: Gateway, key: object): Promise<void> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ role: 'viewer', ...key }),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
}

async function statusOf({ url }: Gateway, key: string, stream: string): Promise<number> {
  const response = await fetch(`${url}/api/events?stream=${stream}&limit=1`, {
    headers: { 'x-api-key': key, accept: 'application/json' },
  })
  return response.status
}

t.test('a key is created by keyboard alone, shown once, and does what the form says', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page, errors } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/keys' })
  await shows(page, '.empty', 'No API keys yet')

  await page.locator('button', { hasText: 'Create a key' }).focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog input[name=name]').focus()
  await page.keyboard.type('partner')
  await page.locator('dialog input[name=limited]').focus()
  await page.keyboard.press('Space')
  await page.locator('dialog textarea[name=subscribe]').focus()
  await page.keyboard.type('feed')
  await page.locator('dialog button[type=submit]').focus()
  await page.keyboard.press('Enter')
  const key = (await page.locator('#secret').textContent()) ?? ''

  t.match(key, /^slk_[a-z0-9]+_/)
  t.equal(await statusOf(gateway, key, 'feed'), 200)
  t.equal(await statusOf(gateway, key, 'other'), 404)

  await page.keyboard.press('Escape')
  await shows(page, 'dialog .notice', 'Is it stored?')
  await page.keyboard.press('Escape')
  await page.locator('dialog').waitFor({ state: 'detached' })
  await shows(page, 'td', 'reads feed')
  t.notOk((await page.content()).includes(key), 'and is not shown again')
  t.strictSame(errors, [])
})

t.test('a key gets other grants, is rotated and revoked', { skip }, async t => {
  const gateway = await startGateway(t)
  await createKey(gateway, { name: 'import', role: 'editor' })
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/keys' })

  await page.locator('button', { hasText: 'Grants' }).click()
  await page.locator('dialog input[name=limited]').check()
  await page.locator('dialog textarea[name=publish]').fill('orders/*\n')
  await page.locator('dialog textarea[name=types]').fill('order.*')
  await page.locator('dialog button[type=submit]').click()
  await shows(page, 'td', 'writes orders/*')
  await shows(page, 'td', 'types order.*')

  await page.locator('button', { hasText: 'Rotate' }).click()
  await page.locator('dialog button[type=submit]').click()
  await page.locator('button', { hasText: 'I have stored it' }).click()
  await shows(page, 'td', 'being replaced')

  await page.locator('tr', { hasText: 'being replaced' }).locator('button', { hasText: 'Revoke' }).click()
  await page.locator('dialog button.danger').click()
  await shows(page, 'td', 'revoked')
  t.equal(await page.locator('button', { hasText: 'Revoke' }).count(), 1, 'only the new key')
})

t.test('a refusal keeps what was entered', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/keys' })
  await page.locator('button', { hasText: 'Create a key' }).click()
  await page.locator('dialog input[name=name]').fill('import')
  await page.locator('dialog textarea[name=allowed_ips]').fill('no address')
  await page.locator('dialog button[type=submit]').click()

  await page.locator('dialog .failure').waitFor()
  t.equal(await page.locator('dialog input[name=name]').inputValue(), 'import')
  t.equal(await page.locator('dialog textarea[name=allowed_ips]').inputValue(), 'no address')
})

t.test('while the gateway does not answer, the page says so and tries again by itself', { skip }, async t => {
  const gateway = await startGateway(t)
  await createKey(gateway, { name: 'lamp' })
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin })
  await shows(page, '.state', 'Live')

  await page.route('**/api/keys*', route => route.abort())
  await goTo(page, '#/keys')
  await shows(page, '.failure', 'The gateway does not answer')
  await page.unroute('**/api/keys*')

  await shows(page, 'tr', 'lamp')
  t.equal(await page.locator('.failure').count(), 0)
})

t.test('only the pages that the caller may use are there', { skip }, async t => {
  const gateway = await startGateway(t)
  const limited = token({ role: 'admin', sluice: { subscribe: ['feed'], publish: ['feed'] } })
  const pages: Record<string, string[]> = {}
  for (const [name, credentials] of Object.entries({ editor: token({ role: 'editor' }), limited, admin })) {
    const { page } = await openConsole(t, { url: gateway.url, credentials })
    await page.locator('nav a[aria-current]').waitFor()
    const operations = page.locator('nav ul[aria-labelledby=group-Operations] a')
    pages[name] = await operations.allTextContents()
  }

  t.notOk(pages.editor?.length)
  t.ok(pages.limited?.includes('API keys'))
  t.strictSame(
    ['Streams', 'Revocations', 'Audit log'].filter(title => pages.limited?.includes(title)),
    [],
  )
  t.strictSame(
    ['Streams', 'API keys', 'Revocations', 'Audit log', 'Server'].filter(
      title => !pages.admin?.includes(title),
    ),
    [],
  )
})

// Attack: a name that an editor of another system chose becomes a script in the page of an admin.
t.test('hostile text in every field is text, in every look', { skip }, async t => {
  const gateway = await startGateway(t)
  await createKey(gateway, {
    name: ATTACK,
    grants: { subscribe: ['project/<img src=x onerror=alert(1)>/*'] },
  })

  const faults = await lookFaults(t, {
    url: gateway.url,
    credentials: admin,
    places: { '#/keys': page => shows(page, 'th', ATTACK) },
  })

  t.strictSame(faults, [])
})
