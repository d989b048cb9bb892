/** The pages of webhooks: real gateways, real receivers, a real browser. */
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { goTo, openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { createDatabase } from '../../harness/database.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { startHostileReceiver } from '../../harness/hostile-receiver.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()
const admin = token({ role: 'admin' })
const env = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' }
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>`

async function send<T>({ url }: Gateway, method: string, path: string, body: object): Promise<T> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

t.test(
  'a webhook is created by keyboard alone, its secret is shown once, and its receiver gets a test signed with it',
  { skip },
  async t => {
    const gateway = await startGateway(t, { env })
    const receiver = await startHostileReceiver(t)
    const { page, errors } = await openConsole(t, {
      url: gateway.url,
      credentials: admin,
      place: '#/webhooks',
    })
    await shows(page, '.empty', 'No webhooks yet')

    await page.locator('button', { hasText: 'Create a webhook' }).focus()
    await page.keyboard.press('Enter')
    await page.keyboard.type(`${receiver.url}/a`)
    await page.keyboard.press('Tab')
    await page.keyboard.type('Billing')
    await page.keyboard.press('Tab')
    await page.keyboard.type('item.*, job.*')
    await page.keyboard.press('Enter')
    const secret = (await page.locator('#secret').textContent()) ?? ''
    await page.keyboard.press('Escape')
    await shows(page, 'dialog .notice', 'Is it stored?')
    await page.keyboard.press('Escape')
    await shows(page, 'td', 'types item.*, job.*')
    t.notOk((await page.content()).includes(secret), 'and is not shown again')

    await page.locator('a', { hasText: 'Billing' }).click()
    await page.locator('button', { hasText: 'Send a test' }).click()
    await shows(page, 'dialog dd', 'delivered')
    await shows(page, 'dialog dd', 'ok')
    const [{ body, headers } = { body: '', headers: {} }] = receiver.received
    t.match(new Webhook(secret).verify(body, headers as Record<string, string>), { type: 'webhook.test' })
    t.strictSame(errors, [])
  },
)

t.test(
  'failed attempts are found with their answer; a webhook is paused, changed, replayed, rotated, resumed and deleted',
  { skip },
  async t => {
    const gateway = await startGateway(t, { env })
    const receiver = await startHostileReceiver(t)
    receiver.behave('/b', () => 'fail with 500')
    await publish(gateway, { type: 'note', data: {} })
    const { id } = await send<{ id: string }>(gateway, 'POST', '/api/webhooks', {
      url: `${receiver.url}/b`,
      headers: { 'x-api-key': 'the key' },
    })
    const place = `#/webhooks/${id}`
    const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place })
    const choose = async (action: string) => {
      await page.locator('summary', { hasText: 'More' }).click()
      await page.locator('.actions button', { hasText: action }).click()
    }

    await page.locator('button', { hasText: 'Send a test' }).click()
    await shows(page, 'dialog dd', 'out of order')
    await page.keyboard.press('Escape')
    await goTo(page, `${place}?outcome=delivered`)
    await shows(page, '.empty', 'No attempt is like that')
    await goTo(page, `${place}?outcome=failed`)
    await page.locator('tbody button', { hasText: 'Details' }).click()
    await shows(page, 'dialog dd', '500')
    await shows(page, 'dialog dd', 'out of order')
    await page.keyboard.press('Escape')

    await page.locator('button', { hasText: 'Pause' }).click()
    await shows(page, 'dd', /^paused/)
    await choose('Change the settings')
    await page.locator('dialog input[name=url]').fill('ftp://nowhere')
    await page.locator('dialog button[type=submit]').click()
    await page.locator('dialog .failure').waitFor()
    await page.locator('dialog input[name=url]').fill(`${receiver.url}/c`)
    await page.locator('dialog select[name=order]').selectOption('parallel')
    await page.locator('dialog input[name=max_in_flight]').fill('3')
    await page.locator('dialog input[name=where]').fill('data.n gt 1')
    await page.locator('dialog button[type=submit]').click()
    await shows(page, 'dd', 'parallel, 3 at once')
    await shows(page, 'dd', 'where data.n gt 1')
    await shows(page, 'dd', 'x-api-key')

    await choose('Rotate the secret')
    await page.locator('dialog button[type=submit]').click()
    const secret = (await page.locator('#secret').textContent()) ?? ''
    await page.locator('button', { hasText: 'I have stored it' }).click()
    await page.locator('dialog').waitFor({ state: 'detached' })
    t.equal(await page.evaluate(`document.activeElement.textContent`), 'More', 'the focus is where it was')
    await shows(page, 'dd', 'signs until')
    await page.locator('button', { hasText: 'Send a test' }).click()
    await shows(page, 'dialog dd', 'delivered')
    const last = receiver.received.at(-1)
    t.equal(String(last?.headers['webhook-signature']).split(' ').length, 2)
    t.equal(last?.headers['x-api-key'], 'the key')
    t.match(secret, /^whsec_/)
    await page.keyboard.press('Escape')

    await choose('Replay past events')
    await page.locator('dialog button[type=submit]').click()
    await shows(page, 'dd', /^running/)
    await page.locator('button', { hasText: 'Stop the replay' }).click()
    await shows(page, 'dd', /^stopped/)
    await page.locator('button', { hasText: 'Resume' }).click()
    await shows(page, 'dd', /^active/)

    await choose('Delete')
    await page.locator('dialog button.danger').click()
    await shows(page, '.empty', 'No webhooks yet')
  },
)

t.test('while the database is gone, the pages keep what they have read and say why', { skip }, async t => {
  const proxy = await startProxy(t, (await createDatabase(t)).url)
  const gateway = await startGateway(t, { databaseUrl: proxy.url, env })
  await send(gateway, 'POST', '/api/webhooks', { url: 'https://example.com/kept', enabled: false })
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/webhooks' })
  await shows(page, 'th', 'example.com/kept')

  await proxy.unplug()
  await shows(page, '.failure', /Trying again/)
  await shows(page, 'th', 'example.com/kept')
  await proxy.plugIn()

  await page.locator('.failure').waitFor({ state: 'detached' })
})

// Attack: a description, a URL, or a receiver's answer becomes a script in the page of an admin.
t.test('hostile text in every field is text, in every look', { skip }, async t => {
  const gateway = await startGateway(t, { env })
  const { id } = await send<{ id: string }>(gateway, 'POST', '/api/webhooks', {
    url: 'http://127.0.0.1:1999/<script>alert(1)</script>',
    where: 'data.text eq "<img src=x>"',
    description: ATTACK,
  })
  await send(gateway, 'POST', `/api/webhooks/${id}/test`, {})

  const faults = await lookFaults(t, {
    url: gateway.url,
    credentials: admin,
    places: {
      '#/webhooks': page => shows(page, 'th', ATTACK),
      async [`#/webhooks/${id}`](page) {
        await shows(page, 'h1', ATTACK)
        await shows(page, 'td', 'webhook.test')
      },
    },
  })

  t.strictSame(faults, [])
})
