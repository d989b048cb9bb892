/** The feed of the console, on a feed that the test plays: what it shows, in every state of its stream. */
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { openConsole, shows } from '../../harness/console.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { LOGGED_AT, type StandInFeed, startStandInFeed } from './stand-in-feed.js'

const skip = withoutBrowser()
const editor = token({ role: 'editor' })

async function openFeed(t: Test, feed: StandInFeed, credentials: string | null = editor): Promise<Page> {
  const { page } = await openConsole(t, { url: feed.url, credentials })
  page.on('pageerror', error => t.fail(error.message))
  return page
}

const rows = (page: Page) => page.locator('.virtual [data-index]')
const texts = (page: Page) => page.locator('.virtual .text').allTextContents()

t.test('past and new events are listed, newest first', { skip }, async t => {
  const feed = await startStandInFeed(t)
  feed.publish('item.created', { part_number: 'A01-0001', description: 'Bracket', item_type: 'part' })
  feed.publish('revision.created', { part_number: 'A01-0001', revision_number: 2, comment: 'Lighter' })
  const page = await openFeed(t, feed)
  await rows(page).nth(1).waitFor()

  feed.publish('item.updated', { part_number: 'A01-0001', revision: 2 })
  feed.publish('item.deleted', { part_number: 'A01-0001' })
  await rows(page).nth(3).waitFor()

  t.same(await texts(page), [
    'A01-0001deleted',
    'A01-0001changed, now at revision 2',
    'A01-0001revision 2: Lighter',
    'A01-0001created as part: Bracket',
  ])
  t.equal(await page.locator('.state').textContent(), 'Live')
  await page.locator(`time[datetime="${LOGGED_AT}"]`).nth(1).waitFor()
  t.equal(feed.asked[0]?.query.last, '200')
})

// Attack: who sees the screen, the history or a bookmark has the token.
t.test('the token is removed from the URL and stays in the tab', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')

  t.equal(page.url(), `${feed.url}/`)
  await page.reload()
  await shows(page, '.state', 'Live')
  const asked = { query: { last: '200' }, authorization: `Bearer ${editor}` }
  t.same(feed.asked, [asked, asked], 'and is in no URL')
  t.same(await page.evaluate('[localStorage.length, document.cookie]'), [0, ''], 'nor anywhere else')
})

// Attack: a caller that may write a description runs a script in the page of every user who watches.
t.test('text of events is never run as HTML', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const attack = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')

  feed.publish('item.created', { part_number: attack, description: attack, item_type: attack })
  feed.publish('item.created', { other: attack })
  await rows(page).nth(1).waitFor()

  t.equal(await page.locator('#main img, #main script').count(), 0)
  t.match((await texts(page))[1], attack)
  t.equal(await page.title(), 'Feed · Sluice')
})

t.test('events of unknown types are shown at once', { skip }, async t => {
  const feed = await startStandInFeed(t)
  feed.publish('order.paid', { order: 1 })
  const page = await openFeed(t, feed)
  await shows(page, '.text', '{"order":1}')

  // Nothing else is sent, so nothing else can have shown it.
  feed.publish('invoice.sent', { invoice: 2 })
  await shows(page, '.text', '{"invoice":2}')

  t.same(await page.locator('.place').allTextContents(), ['#2', '#1'])
})

t.test('the actor of an event is in its row, if its data names one', { skip }, async t => {
  const feed = await startStandInFeed(t)
  feed.publish('item.updated', { part_number: 'A01-0001', revision: 2, actor: 'ada' })
  feed.publish('job.started', { job_id: 'j', attempt: 1, runner: 'build-7' })
  feed.publish('door.opened', { actor: { name: 'bob' } })
  const page = await openFeed(t, feed)
  await rows(page).nth(2).waitFor()

  t.strictSame(await page.locator('.virtual .actor').allTextContents(), ['build-7', 'ada'])
})

t.test('a filter subscribes anew, and its types are received', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')

  await page.fill('#types', 'order.paid, item.*')
  await page.press('#types', 'Enter')
  await shows(page, '.empty h2', 'No event of these types yet')
  await shows(page, '.state', 'Live')
  feed.publish('order.paid', { order: 1 })
  await shows(page, '.text', '{"order":1}')

  t.equal(feed.asked.at(-1)?.query.types, 'order.paid,item.*')
  t.match(page.url(), /#\/feed\?types=order\.paid%2Citem\.\*$/, 'the filter has a link')
})

t.test('a discontinuity is shown, not hidden', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')
  feed.publish('item.deleted', { part_number: 'A01-0001' })
  await rows(page).first().waitFor()

  const head = '90.bbbbbb'
  feed.send({ id: head, type: 'reset', data: { reason: 'retention', earliest: '80.bbbbbb', head } })
  await rows(page).nth(1).waitFor()

  const missing = 'Events between #1 and #90 are gone: reload your state.'
  t.match(await rows(page).first().textContent(), missing)
  t.match(await page.getByRole('alert').textContent(), missing)
  await page.getByRole('button', { name: 'Show what is still stored' }).click()
  await until('it asks again', () => feed.asked.at(-1)?.query.from !== undefined)
  await shows(page, '.state', 'Live')
  t.equal(feed.asked.at(-1)?.query.from, '80.bbbbbb')
})

t.test('the state of connection and server is shown as it changes', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')

  const state = (mode: string) => ({ type: 'server.state', data: { mode } })
  for (const [line, text] of [
    [state('degraded'), 'Live, degraded'],
    [state('maintenance'), 'Live, maintenance'],
    [state('draining'), 'Gateway is stopping'],
    [state('normal'), /^Live$/],
  ] as const) {
    feed.send(line)
    await shows(page, '.state', text)
  }
  t.pass('each was shown')
})

t.test('a broken stream resumes at its place, without a gap or a duplicate', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')
  feed.publish('item.deleted', { part_number: 'A01-0001' })
  await rows(page).first().waitFor()

  feed.cut()
  feed.publish('item.deleted', { part_number: 'A01-0002' })
  await rows(page).nth(1).waitFor()
  await shows(page, '.state', 'Live')

  t.same(await texts(page), ['A01-0002deleted', 'A01-0001deleted'])
  t.equal(feed.asked.at(-1)?.lastEventId, '1.aaaaaa')
})

t.test('a page that has many events to read says how many, until it has all of them', { skip }, async t => {
  const feed = await startStandInFeed(t)
  feed.holdReplay(true)
  for (let n = 1; n <= 30; n += 1) feed.publish('order.paid', { n })
  const page = await openFeed(t, feed)

  await shows(page, '.state', 'Behind by 30')
  feed.holdReplay(false)
  await shows(page, '.state', 'Live')

  t.equal(await page.locator('.place').first().textContent(), '#30')
})

t.test('after a full gateway refuses, the page retries after its last event', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  feed.publish('item.deleted', { part_number: 'A01-0001' })
  await rows(page).first().waitFor()

  feed.refuse({ status: 503, detail: 'No stream can be opened now.' })
  feed.cut()
  await shows(page, '.state', /Reconnecting.in \d+ s/)
  await shows(page, '.notice', 'No stream can be opened now. What is shown stays')
  feed.publish('item.deleted', { part_number: 'A01-0002' })
  feed.refuse(undefined)
  await page.getByRole('button', { name: 'Try now' }).click()
  await shows(page, '.state', 'Live')

  t.same(await texts(page), ['A01-0002deleted', 'A01-0001deleted'])
  t.equal(feed.asked.at(-1)?.lastEventId, '1.aaaaaa')
})

t.test('a refusal that no retry can mend shows its reason and ends', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')

  feed.refuse({ status: 400, title: 'Invalid types', detail: 'Write types as item.*,revision.created.' })
  await page.fill('#types', 'item.**')
  await page.press('#types', 'Enter')

  await shows(page, '.state', 'Refused')
  await shows(page, '.failure', 'Invalid typesWrite types as item.*,revision.created.')
  t.equal(feed.asked.length, 1, 'and nothing else was opened')
})

t.test(
  'when its credentials expire, the page asks for new ones and goes on in its place',
  { skip },
  async t => {
    const feed = await startStandInFeed(t)
    const page = await openFeed(t, feed)
    await shows(page, '.state', 'Live')
    feed.publish('item.deleted', { part_number: 'A01-0001' })
    await rows(page).first().waitFor()
    await page.fill('#text', 'A01')

    feed.send({ type: 'auth-expired', data: {} })
    await shows(page, 'dialog', 'Your token has expired.')
    t.equal(await page.evaluate('sessionStorage.length'), 0, 'the old ones are forgotten')
    t.equal(await rows(page).count(), 1, 'what was shown stays')
    await page.fill('dialog [name=credentials]', token({ role: 'editor', jti: 'new' }))
    await page.press('dialog [name=credentials]', 'Enter')

    await page.locator('dialog').waitFor({ state: 'detached' })
    await shows(page, '.state', 'Live')
    t.equal(await page.inputValue('#text'), 'A01', 'the filter too')
  },
)

t.test('when its token is refused, the page asks for another and shows the reason', { skip }, async t => {
  const feed = await startStandInFeed(t)
  feed.refuse({ status: 401, detail: 'The token has expired.' })

  const { page } = await openConsole(t, { url: feed.url, credentials: editor, signsIn: false })

  await shows(page, '[role=alert]', 'The token has expired.')
  t.ok(await page.locator('#sign-in').isVisible())
  t.equal(await page.evaluate('sessionStorage.length'), 0, 'and is not kept')
})

t.test('a held list counts new events, and shows them on request', { skip }, async t => {
  const feed = await startStandInFeed(t)
  feed.publish('item.deleted', { part_number: 'A01-0001' })
  const page = await openFeed(t, feed)
  await rows(page).first().waitFor()

  await page.getByRole('button', { name: 'Pause' }).click()
  feed.publish('item.deleted', { part_number: 'A01-0002' })
  feed.publish('item.deleted', { part_number: 'A01-0003' })
  await shows(page, '.new', '2 new')
  t.same(await texts(page), ['A01-0001deleted'])
  await page.locator('.new').click()

  t.same(await texts(page), ['A01-0003deleted', 'A01-0002deleted', 'A01-0001deleted'])
})

t.test('a text narrows the list as it is typed, in old and new events alike', { skip }, async t => {
  const feed = await startStandInFeed(t)
  for (const part_number of ['BRK-1', 'GSK-1', 'BRK-2']) feed.publish('item.deleted', { part_number })
  const page = await openFeed(t, feed)
  await rows(page).nth(2).waitFor()

  await page.fill('#text', 'brk')
  await rows(page).nth(2).waitFor({ state: 'detached' })
  feed.publish('item.deleted', { part_number: 'GSK-2' })
  feed.publish('item.deleted', { part_number: 'BRK-3' })
  await shows(page, '.text', 'BRK-3')

  t.same(await texts(page), ['BRK-3deleted', 'BRK-2deleted', 'BRK-1deleted'])
  await page.fill('#text', 'nothing of that kind')
  await shows(page, '.empty h2', 'None of 5 events contains')
})

t.test('an editor can publish the first event on the page', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed)
  await shows(page, '.state', 'Live')

  await page.locator('.empty button').click()
  await page.fill('#publish [name=type]', 'door.opened')
  await page.fill('#publish [name=data]', '{"door":')
  t.ok(await page.locator('#publish [type=submit]').isDisabled(), 'no JSON, no event')
  await page.fill('#publish [name=data]', '{"door":7}')
  await page.press('#publish [name=type]', 'Enter')

  await shows(page, '.text', '{"door":7}')
  await shows(page, '.announcement', 'Published as #1.')
})

t.test('a viewer gets no form that would be refused', { skip }, async t => {
  const feed = await startStandInFeed(t)

  const page = await openFeed(t, feed, token({ role: 'viewer' }))
  await shows(page, '.state', 'Live')

  t.equal(await page.locator('#publish-event').count(), 0)
  t.match(await page.locator('.empty').textContent(), 'Your token may only read.')
})

t.test('without a token the page asks for one', { skip }, async t => {
  const feed = await startStandInFeed(t)
  const page = await openFeed(t, feed, null)

  await page.fill('[name=credentials]', ` ${editor} `)
  await page.press('[name=credentials]', 'Enter')
  await shows(page, '.state', 'Live')

  t.equal(feed.asked[0]?.authorization, `Bearer ${editor}`)
})
