/** The pages of revocations, of the audit log, of the server and of streams: real gateways, a real browser. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { goTo, openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { createDatabase } from '../../harness/database.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const skip = withoutBrowser()
const admin = token({ role: 'admin' })
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>`

t.test('credentials are revoked and accepted again, and the audit log says by whom', { skip }, async t => {
  const gateway = await startGateway(t)
  const mallory = {
    authorization: `Bearer ${token({ sub: 'mallory', iat: Math.floor(Date.now() / 1_000) })}`,
  }
  const status = async () => (await fetch(`${gateway.url}/api/items`, { headers: mallory })).status
  const { page, errors } = await openConsole(t, {
    url: gateway.url,
    credentials: admin,
    place: '#/revocations',
  })
  await shows(page, '.empty', 'Nothing is revoked')
  await goTo(page, '#/audit')
  await shows(page, '.empty', 'No entries yet')
  await goTo(page, '#/audit?action=key.created')
  await shows(page, '.empty', 'No entry is like that')
  await goTo(page, '#/revocations')
  t.equal(await status(), 200)

  await page.locator('button', { hasText: 'Revoke credentials' }).focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog input[name=value]').focus()
  await page.keyboard.type('mallory')
  await page.keyboard.press('Tab')
  await page.keyboard.type(ATTACK)
  await page.keyboard.press('Enter')
  await shows(page, 'th', 'Principal mallory')
  await until('it is refused', async () => (await status()) === 401)

  await page.locator('button', { hasText: /^Remove$/ }).click()
  await page.locator('dialog button.danger').click()
  await shows(page, '.empty', 'Nothing is revoked')
  await until('it is accepted again', async () => (await status()) === 200)

  await goTo(page, '#/audit?action=revocation.removed')
  await shows(page, 'td', 'revocation.removed')
  t.equal(await page.locator('tbody tr').count(), 1)
  await page.locator('a', { hasText: 'Audit log' }).click()
  await shows(page, 'td', 'revocation.created')
  await page.locator('tr', { hasText: 'revocation.created' }).locator('summary').click()
  await shows(page, '.json', ATTACK.slice(0, 3))
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('button', { hasText: 'Export what matches' }).click(),
  ])
  const exported = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n')
  t.strictSame(
    exported.map(line => JSON.parse(line).action).filter(action => action.startsWith('revocation.')),
    ['revocation.removed', 'revocation.created'],
  )
  t.strictSame(errors, [])
})

t.test('the workspace is revoked only under its name', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/revocations' })
  await page.locator('button', { hasText: 'Revoke credentials' }).click()
  await page.locator('dialog select[name=kind]').selectOption('workspace')
  await page.locator('dialog input[name=value]').fill('another')
  await page.locator('dialog button.danger').click()

  await shows(page, 'dialog .failure', 'This workspace is acme. Nothing was revoked.')
})

t.test('maintenance is switched, and the state of the server is shown', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/server' })
  await shows(page, 'dd', 'ready')

  await page.locator('button', { hasText: 'Start maintenance' }).click()
  await page.locator('dialog button.danger').click()
  await shows(page, 'dd', 'Changes are refused; streams and reads continue.')
  const refused = await fetch(`${gateway.url}/api/jobs`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: '{"kind":"command"}',
  })
  t.equal(refused.status, 503)

  await page.locator('button', { hasText: 'End maintenance' }).click()
  await page.locator('dialog button[type=submit]').click()
  await shows(page, 'dd', 'normal')
})

t.test('an admin of another workspace than the operators has no switch', { skip }, async t => {
  const gateway = await startGateway(t, { env: { OPERATOR_WORKSPACE: 'operators' } })
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/server' })
  await shows(page, 'dd', 'ready')

  t.equal(await page.locator('button', { hasText: 'maintenance' }).count(), 0)
})

t.test('a database that is gone is shown, and so is its return', { skip }, async t => {
  const proxy = await startProxy(t, (await createDatabase(t)).url)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/server' })
  await shows(page, 'dd', 'ready')

  await proxy.unplug()
  await shows(page, 'dd', 'The database does not answer.')
  await goTo(page, '#/feed')
  await shows(page, '.state', 'Reconnecting')
  t.equal(await page.locator('.empty').count(), 0, 'nobody knows whether there are events')
  await goTo(page, '#/server')
  await proxy.plugIn()

  await shows(page, 'dd', /^up/)
})

t.test('a stream is configured, closed and deleted under its name', { skip }, async t => {
  const gateway = await startGateway(t)
  await publish(gateway, { type: 'order.paid', data: { id: 7 } }, { stream: 'orders%2F7' })
  await publish(gateway, { type: 'note', data: {} })
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/streams' })
  await shows(page, 'th', 'orders/7')
  await publish(gateway, { type: 'order.paid', data: { id: 8 } }, { stream: 'orders%2F7' })
  await shows(page, 'tr', /orders\/7open0\.\d2about/)

  await page.locator('a', { hasText: 'orders/7' }).click()
  await page.locator('button', { hasText: 'Change options' }).click()
  await page.locator('dialog input[name=days]').fill('1.5')
  await page.locator('dialog input[name=compact_key]').fill('data.id')
  await page.locator('dialog button[type=submit]').click()
  await shows(page, 'dd', '1 d 12 h')
  await shows(page, 'dd', 'newest of each data.id')

  await page.locator('button', { hasText: /^Close$/ }).click()
  await page.locator('dialog input').fill('orders/7')
  await page.locator('dialog button.danger').click()
  await shows(page, 'dd', 'closed')

  await page.locator('button', { hasText: /^Delete$/ }).click()
  await page.locator('dialog input').fill('orders/8')
  await page.locator('dialog button.danger').click()
  await shows(page, 'dialog .failure', 'Nothing was changed.')
  await page.locator('dialog input').fill('orders/7')
  await page.locator('dialog button.danger').click()
  await shows(page, 'th', 'feed')
  t.strictSame(await page.locator('tbody th').allTextContents(), ['feed'])

  await page.locator('a', { hasText: /^feed$/ }).click()
  await shows(page, 'h1', 'feed')
  await page.locator('button', { hasText: 'Change options' }).waitFor()
  t.equal(
    await page.locator('button', { hasText: /^(Close|Delete)$/ }).count(),
    0,
    'the feed cannot be ended',
  )
})

t.test('hostile text in every field is text, in every look', { skip }, async t => {
  const gateway = await startGateway(t)
  const post = (path: string, body: object) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { ...as('admin'), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  await post('/api/revocations', { subject: ATTACK, reason: ATTACK })
  await publish(gateway, { type: 'note', data: {} }, { stream: 'chat' })
  const faults = await lookFaults(t, {
    url: gateway.url,
    credentials: admin,
    places: {
      '#/revocations': page => shows(page, 'th', ATTACK),
      async '#/audit'(page) {
        await shows(page, 'td', 'revocation.created')
        await page.locator('summary').first().click()
      },
      '#/server': page => shows(page, 'dd', 'ready'),
      '#/streams': page => shows(page, 'th', 'chat'),
      '#/streams/chat': page => shows(page, 'dd', 'open'),
      [`#/streams?prefix=${encodeURIComponent(ATTACK)}`]: page => shows(page, '.failure', 'prefix'),
    },
  })

  // The gateway refuses the last prefix, which the browser reports too.
  t.strictSame(
    faults.filter(fault => !fault.includes('status of 400')),
    [],
  )
})
