/** The pages of items: a real gateway, a real browser. */
import type { Page } from 'playwright-core'
import t from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { goTo, openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { as, type Gateway, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()
const editor = token({ role: 'editor' })
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>\u202e`

async function send({ url }: Gateway, method: string, path: string, body: object): Promise<void> {
  const response = await fetch(`${url}/api/items${path}`, {
    method,
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
}

async function createItem(gateway: Gateway, partNumber: string, description = 'Bracket'): Promise<void> {
  const properties = { mass_kg: 1, size: { width: 30 } }
  await send(gateway, 'POST', '', { part_number: partNumber, description, item_type: 'part', properties })
}

const texts = (page: Page, selector: string) => page.locator(selector).allTextContents()

t.test('an item is created, found, changed and released by keyboard alone', { skip }, async t => {
  const gateway = await startGateway(t)
  await createItem(gateway, 'A01-0001')
  const { page, errors } = await openConsole(t, { url: gateway.url, place: '#/items' })
  await shows(page, 'th', 'A01-0001')

  await page.locator('button', { hasText: 'Create an item' }).focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog input[name=part_number]:focus').waitFor()
  await page.keyboard.type('B02-0001')
  await page.keyboard.press('Tab')
  await page.keyboard.type('Drive shaft')
  await page.keyboard.press('Enter')
  await shows(page, 'h1', 'B02-0001')
  await shows(page, '.history li', 'created as part: Drive shaft')

  await page.locator('button', { hasText: 'Release a revision' }).focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog textarea:focus').waitFor()
  await page.keyboard.type('Longer by 2 mm')
  await page.locator('dialog button', { hasText: 'Release' }).focus()
  await page.keyboard.press('Enter')
  await shows(page, '.revisions li', 'Longer by 2 mm')
  await shows(page, '.history li', 'revision 2: Longer by 2 mm')

  await goTo(page, '#/items')
  await shows(page, 'tbody th', 'A01-0001')
  await page.keyboard.press('/')
  await page.locator('input:focus').waitFor()
  await page.keyboard.type('shaft')
  await page.keyboard.press('Enter')
  await page.locator('th', { hasText: 'A01-0001' }).waitFor({ state: 'detached' })
  await shows(page, 'tbody th', 'B02-0001')
  t.strictSame(await texts(page, 'tbody th'), ['B02-0001'])
  t.match(page.url(), /search=shaft/, 'as a link that others can open')
  t.strictSame(errors, [])
})

t.test('what changed between two revisions is shown', { skip }, async t => {
  const gateway = await startGateway(t)
  await createItem(gateway, 'A01-0001')
  await send(gateway, 'POST', '/A01-0001/revisions', {
    comment: 'two',
    properties: { mass_kg: 2, coated: true },
  })
  await send(gateway, 'POST', '/A01-0001/revisions', { comment: 'three', properties: { mass_kg: 2 } })
  const { page } = await openConsole(t, { url: gateway.url, place: '#/items/A01-0001' })

  await shows(page, '.revisions li', 'three')
  const rows = page.locator('table tbody tr')
  t.strictSame(await rows.allTextContents(), ['coatedtruenot there'])

  await page.locator('select').first().selectOption('1')
  await shows(page, 'thead', 'Revision 1')
  t.strictSame(await rows.allTextContents(), ['mass_kg12', 'size{"width":30}not there'])
})

t.test('changes by others appear without a reload', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page } = await openConsole(t, { url: gateway.url, place: '#/items' })
  await shows(page, '.empty', 'No items yet')

  await createItem(gateway, 'A01-0001')
  await page.locator('a', { hasText: 'A01-0001' }).click()
  await shows(page, '.state', 'Live')
  await send(gateway, 'PATCH', '/A01-0001', { description: 'Bracket, slotted' })

  await shows(page, '.lead', 'Bracket, slotted')
  await shows(page, '.history li', 'changed, now at revision 1')
})

t.test('a conflict is shown with what the others changed, and nothing is lost', { skip }, async t => {
  const gateway = await startGateway(t)
  await createItem(gateway, 'A01-0001')
  const { page } = await openConsole(t, { url: gateway.url, place: '#/items/A01-0001' })
  await page.locator('button', { hasText: /^Change$/ }).click()
  await page.locator('dialog input[name=description]').fill('Mine')

  await send(gateway, 'PATCH', '/A01-0001', { description: 'Theirs' })
  await page.locator('dialog button[type=submit]').click()

  await shows(page, 'dialog .notice', 'Somebody else has changed this item meanwhile.')
  t.strictSame(await texts(page, 'dialog tbody tr'), ['description"Bracket""Theirs"'])
  t.equal(await page.locator('dialog input[name=description]').inputValue(), 'Mine')
  await page.locator('dialog button', { hasText: 'Save mine over theirs' }).click()
  await shows(page, '.lead', 'Mine')
})

t.test('a part number that is taken leads to its item', { skip }, async t => {
  const gateway = await startGateway(t)
  await createItem(gateway, 'A01-0001')
  const { page } = await openConsole(t, { url: gateway.url, place: '#/items' })
  await page.locator('button', { hasText: 'Create an item' }).click()
  await page.locator('dialog input[name=part_number]').fill('A01-0001')
  await page.locator('dialog input[name=description]').fill('Another')
  await page.locator('dialog button[type=submit]').click()

  await shows(page, 'dialog .notice', 'There is an item A01-0001 already.')
  await page.locator('dialog .notice a').click()
  await shows(page, 'h1', 'A01-0001')
})

t.test('an item is deleted only under its name', { skip }, async t => {
  const gateway = await startGateway(t)
  await createItem(gateway, 'A01-0001')
  const { page } = await openConsole(t, { url: gateway.url, place: '#/items/A01-0001' })
  await page.locator('button', { hasText: /^Delete$/ }).click()
  await page.locator('dialog input').fill('A01-0002')
  await page.locator('dialog button.danger').click()
  await shows(page, 'dialog .failure', 'The name is another one.')

  await page.locator('dialog input').fill('A01-0001')
  await page.locator('dialog button.danger').click()

  await shows(page, '.empty', 'No items yet')
})

t.test('a viewer gets no button that would be refused', { skip }, async t => {
  const gateway = await startGateway(t)
  await createItem(gateway, 'A01-0001')
  const viewer = { url: gateway.url, credentials: token({ role: 'viewer' }) }
  const { page } = await openConsole(t, { ...viewer, place: '#/items' })
  await shows(page, 'th', 'A01-0001')
  t.strictSame(await texts(page, '#main button'), ['Search'])

  await page.locator('a', { hasText: 'A01-0001' }).click()
  await shows(page, '.history li', 'created as part')
  t.strictSame(await texts(page, '#main button'), ['Read from the beginning of the feed'])
})

// Attack: text that somebody may store becomes markup, or a script, in the page of an admin.
t.test('hostile text in every field is text, in every look', { skip }, async t => {
  const gateway = await startGateway(t)
  const hostile = { description: ATTACK, item_type: ATTACK.slice(0, 64), properties: { [ATTACK]: [ATTACK] } }
  await send(gateway, 'POST', '', { part_number: 'A01-0001', ...hostile })
  await send(gateway, 'POST', '/A01-0001/revisions', { comment: ATTACK, properties: { [ATTACK]: ATTACK } })

  const faults = await lookFaults(t, {
    url: gateway.url,
    credentials: editor,
    places: {
      '#/items': page => shows(page, 'td', ATTACK),
      async '#/items/A01-0001'(page) {
        await shows(page, '.revisions li', ATTACK)
        await shows(page, '.history li', ATTACK.slice(0, 20))
      },
    },
  })

  t.strictSame(faults, [])
})
