/** The page of consumers: a real gateway, a real browser. */
import t from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>`

async function put({ url }: Gateway, name: string, body: object): Promise<void> {
  const response = await fetch(`${url}/api/consumers/${name}`, {
    method: 'PUT',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
}

t.test(
  'consumers are moved by editors and deleted under their name; viewers only see them',
  { skip },
  async t => {
    const gateway = await startGateway(t)
    await publish(
      gateway,
      [1, 2, 3].map(n => ({ type: 'note', data: { n } })),
    )
    await put(gateway, 'imports', {
      start: 'beginning',
      types: 'note,item.*',
      description: 'nightly',
    })
    const viewer = await openConsole(t, {
      url: gateway.url,
      credentials: token({ role: 'viewer' }),
      place: '#/consumers',
    })
    const { page, errors } = await openConsole(t, { url: gateway.url, place: '#/consumers' })
    await shows(page, 'tr', /imports[\s\S]*nightly[\s\S]*free[\s\S]*types note, item\.\*[\s\S]*3 events/)
    await shows(viewer.page, 'th', 'imports')
    t.equal(await viewer.page.locator('#main button').count(), 0)
    t.notOk(await page.locator('nav').getByText('Webhooks').count(), 'webhooks are for admins')

    await page.locator('button', { hasText: 'Move' }).focus()
    await page.keyboard.press('Enter')
    await page.locator('dialog button.danger').click()
    await shows(page, 'td', /^none$/)
    await page.locator('button', { hasText: 'Move' }).click()
    await page.locator('dialog select').selectOption('event')
    await page.locator('dialog input[name=event]').fill('no event')
    await page.locator('dialog button.danger').click()
    await page.locator('dialog .failure').waitFor()
    await page.locator('dialog select').selectOption('beginning')
    await page.locator('dialog button.danger').click()
    await shows(page, 'td', '3 events')

    await page.locator('button', { hasText: 'Delete' }).click()
    await page.locator('dialog input').fill('others')
    await page.locator('dialog button.danger').click()
    await shows(page, 'dialog .failure', 'Nothing was changed.')
    await page.locator('dialog input').fill('imports')
    await page.locator('dialog button.danger').click()
    await shows(page, '.empty', 'No consumers yet')
    t.strictSame(
      errors.filter(error => !error.includes('status of 400')),
      [],
    )
  },
)

// Attack: the description that an editor has chosen becomes a script in the page of an admin.
t.test('hostile text in every field is text, in every look', { skip }, async t => {
  const gateway = await startGateway(t)
  await put(gateway, 'imports', {
    description: ATTACK,
    types: 'note',
    where: 'data.text eq "<img src=x>"',
  })

  const faults = await lookFaults(t, {
    url: gateway.url,
    credentials: token({ role: 'admin' }),
    places: { '#/consumers': page => shows(page, 'th', ATTACK) },
  })

  t.strictSame(faults, [])
})
