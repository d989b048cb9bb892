/** The feed of the console on a real gateway: thousands of events, the keyboard alone, outages, hostile texts, every look. */
import type { Page } from 'playwright-core'
import t from 'tap'
import type { Role } from '../../../src/auth/principal.js'
import { withoutBrowser } from '../../harness/browser.js'
import { goTo, openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { createDatabase } from '../../harness/database.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const skip = withoutBrowser()
const editor = token({ role: 'editor' })
const EVENTS = 50_000
const BATCH = 1_000
/** Rows in sight, and some beyond each edge, at any number of events. */
const MAX_ROWS = 60
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>\u202e`

const rowCount = (page: Page) => page.locator('.virtual [data-index]').count()

/** Counts the frames that took longer than 50 ms, as the browser reports them. */
async function countLongFrames(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(`window.longFrames = 0
    new PerformanceObserver(list => { window.longFrames += list.getEntries().length }).observe({ type: 'longtask' })`)
  return () => page.evaluate<number>('window.longFrames')
}

t.test(`${EVENTS} events are searched and scrolled through with few rows in the page`, { skip }, async t => {
  const gateway = await startGateway(t)
  for (let start = 0; start < EVENTS; start += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, n) => ({
      type: n % 2 ? 'order.paid' : 'order.sent',
      data: { order: start + n + 1, note: 'nothing special about this one' },
    }))
    await publish(gateway, batch)
  }
  const { page, errors } = await openConsole(t, { url: gateway.url })
  const longFrames = await countLongFrames(page)
  const rows: number[] = []

  await goTo(page, '#/feed?from=beginning')
  await page.locator(`.virtual li[aria-setsize="${EVENTS}"]`).first().waitFor()
  await shows(page, '.place', `#${EVENTS}`)
  rows.push(await rowCount(page))

  await page.evaluate(`{
    const list = document.querySelector('.virtual')
    list.scrollTo({ top: list.scrollHeight / 2 })
  }`)
  await shows(page, '.place', new RegExp(`#${EVENTS / 2}$`))
  rows.push(await rowCount(page))
  await publish(gateway, { type: 'order.paid', data: { order: 0 } })
  await shows(page, '.new', '1 new')
  await shows(page, '.place', new RegExp(`#${EVENTS / 2}$`))

  await page.fill('#text', '"order":4321')
  await page.locator('.virtual li[aria-setsize="11"]').first().waitFor()
  rows.push(await rowCount(page))
  await page.fill('#text', '')
  await page
    .locator(`.virtual li[aria-setsize="${EVENTS + 1}"]`)
    .first()
    .waitFor()
  await page.locator('.virtual [tabindex="0"]').focus()
  await page.keyboard.press('End')
  await shows(page, '.place', /#1$/)
  rows.push(await rowCount(page))

  t.comment(`${await longFrames()} frames of more than 50 ms; rows in the page: ${rows}`)
  t.strictSame(
    rows.filter(count => count > MAX_ROWS),
    [],
  )
  t.strictSame(errors, [])
})

t.test('an admin sees who published each event, and an editor what its data says', { skip }, async t => {
  const gateway = await startGateway(t)
  const event = { type: 'door.opened', data: { door: 7, actor: 'somebody' } }
  await publish(gateway, event)
  const actors = (page: Page) => page.locator('.virtual .actor').allTextContents()
  const open = async (role: Role) =>
    (await openConsole(t, { url: gateway.url, credentials: token({ role }) })).page

  const [page, ofEditor] = [await open('admin'), await open('editor')]
  await shows(page, '.virtual .actor', 'editor-of-acme')
  await publish(gateway, event)
  await until(
    'the publisher of a live event',
    async () => (await actors(page)).join() === 'editor-of-acme,editor-of-acme',
  )
  await shows(ofEditor, '.place', '#2')

  t.strictSame(await actors(ofEditor), ['somebody', 'somebody'])
})

t.test('everything on the page works by keyboard alone', { skip }, async t => {
  const gateway = await startGateway(t)
  await publish(
    gateway,
    [1, 2, 3].map(door => ({ type: 'door.opened', data: { door } })),
  )
  const { page } = await openConsole(t, { url: gateway.url })
  await shows(page, '.place', '#3')

  await page.keyboard.press('Tab')
  t.equal(await page.locator(':focus').textContent(), 'Skip to the page')
  await page.keyboard.press('Enter')
  t.equal(await page.locator(':focus').getAttribute('id'), 'main')

  await page.keyboard.press('c')
  await page.locator('dialog').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('dialog').waitFor({ state: 'detached' })
  t.equal(await page.locator(':focus').getAttribute('id'), 'main', 'the focus returns')

  await page.locator('.virtual [tabindex="0"]').focus()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await shows(page, '.details h2', 'Event #2')
  t.equal(await page.locator(':focus').textContent(), 'Event #2', 'the focus follows')
  await page.keyboard.press('Escape')
  await page.locator('.details').waitFor({ state: 'detached' })
  t.match(await page.locator(':focus').textContent(), /#2$/, 'and returns')

  await page.keyboard.press('p')
  await shows(page, 'button', 'Paused')
  await publish(gateway, { type: 'door.opened', data: { door: 4 } })
  await shows(page, '.new', '1 new')
  await page.keyboard.press('n')
  await shows(page, '.place', '#4')

  await page.keyboard.press('?')
  await shows(page, 'dialog', 'Search in the events')
  await page.keyboard.press('Escape')
  await page.locator('dialog').waitFor({ state: 'detached' })
  // The focus is in the list again.
  await page.locator('.row-link:focus').waitFor()
  await page.keyboard.press('h')
  t.equal(await page.locator(':focus').getAttribute('id'), 'main')
  await page.keyboard.press('t')
  t.equal(await page.locator(':focus').getAttribute('id'), 'types')
  await page.keyboard.press('Escape')
  await page.locator('.virtual [tabindex="0"]').focus()
  await page.keyboard.press('j')
  t.equal(await page.locator(':focus').getAttribute('id'), 'jump')
  await page.locator('.virtual [tabindex="0"]').focus()
  await page.keyboard.press('/')
  await page.keyboard.type('"door":3')
  await page.locator('.virtual li[aria-setsize="1"]').waitFor()
  t.strictSame(await page.locator('.place').allTextContents(), ['#3'])
})

t.test('an event is found by its link, its position and its time', { skip }, async t => {
  const gateway = await startGateway(t)
  const ids = await publish(
    gateway,
    Array.from({ length: 900 }, (_, n) => ({ type: 'thing.made', data: { n } })),
  )
  const { page } = await openConsole(t, { url: gateway.url, place: `#/feed/${ids[4]}` })

  await shows(page, '.details', ids[4] ?? '')
  await shows(page, '.details h2', 'Event #5')
  await goTo(page, '#/feed')
  await shows(page, '.place', '#900')
  await page.getByRole('button', { name: 'Time' }).click()
  await page.fill('#jump', '#300')
  await page.press('#jump', 'Enter')
  await shows(page, '.details h2', 'Event #300')
  await page.locator('.row-link[aria-current] .place', { hasText: '#300' }).waitFor()
  await shows(page, '.notice', 'These are events of the past')
  await page.getByRole('button', { name: 'Load newer events' }).click()
  await page.locator('.virtual li[aria-setsize="851"]').first().waitFor()

  await page.getByRole('button', { name: 'Back to live' }).click()
  await shows(page, '.state', 'Live')
  await page.fill('#jump', '2026-01-01T00:00:00Z')
  await page.press('#jump', 'Enter')
  await page.locator('.virtual li[aria-setsize="500"]').first().waitFor()
  t.equal(await page.locator('.place').first().textContent(), '#500')
  await page.fill('#jump', 'yesterday or so')
  await page.press('#jump', 'Enter')
  await shows(page, '.announcement', 'Write an event id such as')
})

t.test('numbers keep every digit that was published', { skip }, async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  const { page } = await openConsole(t, { url: gateway.url, place: '#/feed/1' })
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  const data = '{"account":12345678901234567890,"rate":0.1,"power":1e2}'
  await pool.query(`select sluice.publish('acme', 'feed', 'rate.changed', $1)`, [data])
  await shows(page, '.place', '#1')
  await page.reload()

  await shows(page, '.details .number', '12345678901234567890')
  t.strictSame(await page.locator('.details .number').allTextContents(), [
    '12345678901234567890',
    '0.1',
    '100',
  ])
  await page.getByRole('button', { name: 'Copy the data' }).click()
  await shows(page, '.announcement', 'Copied')
  t.match(await page.evaluate('navigator.clipboard.readText()'), '12345678901234567890')
})

t.test('older events are loaded on request', { skip }, async t => {
  const gateway = await startGateway(t)
  await publish(
    gateway,
    Array.from({ length: 450 }, (_, n) => ({ type: 'thing.made', data: { n } })),
  )
  const { page } = await openConsole(t, { url: gateway.url })
  await page.locator('.virtual li[aria-setsize="200"]').first().waitFor()

  await page.getByRole('button', { name: 'Load older events' }).click()

  await page.locator('.virtual li[aria-setsize="450"]').first().waitFor()
  await page.locator('.place', { hasText: /#250$/ }).waitFor()
  t.pass('they follow where the list ended')
})

t.test('a rare type is found far back', { skip }, async t => {
  const gateway = await startGateway(t)
  await publish(gateway, { type: 'rare.one', data: { n: 0 } })
  const others = Array.from({ length: 1_000 }, (_, n) => ({ type: 'thing.made', data: { n } }))
  for (let batch = 0; batch < 11; batch += 1) await publish(gateway, others)
  const { page } = await openConsole(t, { url: gateway.url, place: '#/feed?types=rare.*' })
  await shows(page, '.empty', 'No event of these types yet')

  await page.getByRole('button', { name: 'Look for older ones' }).click()
  await shows(page, '.announcement', 'There are no older events down to #1002. Load again to look further.')
  await page.getByRole('button', { name: 'Look for older ones' }).click()

  await shows(page, '.place', '#1')
})

t.test('an outage of the database is shown, and nothing is missing afterwards', { skip }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const proxy = await startProxy(t, databaseUrl)
  const gateway = await startGateway(t, { databaseUrl: proxy.url })
  const other = await startGateway(t, { databaseUrl })
  await publish(gateway, { type: 'thing.made', data: { n: 1 } })
  const { page } = await openConsole(t, { url: gateway.url })
  await shows(page, '.place', '#1')

  await proxy.unplug()
  await shows(page, '.state', 'Live, degraded')
  await publish(
    other,
    [2, 3].map(n => ({ type: 'thing.made', data: { n } })),
  )
  await page.locator('#publish-event').click()
  await page.locator('#publish [type=submit]').click()
  await shows(page, 'dialog .failure', /database/i)
  await page.keyboard.press('Escape')
  await proxy.plugIn()

  await shows(page, '.place', '#3')
  await shows(page, '.state', /^Live$/)
  t.strictSame(await page.locator('.place').allTextContents(), ['#3', '#2', '#1'])
})

// Attack: somebody who may write any of these fields runs a script in the page of every user who watches.
t.test('hostile texts in every field stay texts', { skip }, async t => {
  const gateway = await startGateway(t)
  const data = { [ATTACK]: ATTACK, list: [ATTACK, { [ATTACK]: [ATTACK] }], part_number: ATTACK }
  const item = { part_number: ATTACK, description: ATTACK, item_type: ATTACK, revision: ATTACK }
  const revision = { part_number: ATTACK, revision_number: ATTACK, comment: ATTACK }
  await publish(gateway, [
    { type: 'thing.made', data },
    { type: 'item.created', data: item },
    { type: 'item.updated', data: item },
    { type: 'revision.created', data: revision },
  ])
  const { page, errors } = await openConsole(t, {
    url: gateway.url,
    credentials: token({ role: 'editor', sub: ATTACK }),
  })
  await page.locator('.virtual [data-index]').nth(3).waitFor()

  const shown: boolean[] = []
  for (const position of [1, 2, 3, 4]) {
    await goTo(page, `#/feed/${position}`)
    await shows(page, '.details h2', `Event #${position}`)
    shown.push((await page.locator('.details').textContent())?.includes('<img src=x onerror=') ?? false)
  }
  await goTo(page, `#/feed?types=*&text=${encodeURIComponent(ATTACK)}`)
  await shows(page, '.empty', 'events contains')
  await goTo(page, `#/${encodeURIComponent(ATTACK)}`)
  await shows(page, 'h1', '<img src=x onerror=')

  t.strictSame(shown, [true, true, true, true])
  t.equal(await page.locator('#app img, #app script').count(), 0)
  t.notOk(['x', 'y'].includes(await page.title()))
  t.strictSame(errors, [])
})

t.test('the feed is fit for everybody, in every look, with an event open or not', { skip }, async t => {
  const gateway = await startGateway(t)
  const [id] = await publish(gateway, {
    type: 'door.opened',
    data: { door: 7, by: { name: 'Ada', badge: null } },
  })
  const places = {
    '#/feed': (page: Page) => shows(page, '.place', '#1'),
    [`#/feed/${id}`]: (page: Page) => shows(page, '.details', 'badge'),
  }
  t.strictSame(await lookFaults(t, { url: gateway.url, credentials: editor, places }), [])
})
