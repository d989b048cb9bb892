/** The overview of the console: the last hour of a real gateway, without Prometheus. */
import t from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { importConsole } from '../../harness/console-module.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const skip = withoutBrowser()
const admin = token({ role: 'admin' })

interface RecentModule {
  percentile(share: number, counts: readonly number[], ends: readonly number[]): number | null
}

t.test('the overview shows the figures of the gateway', { skip }, async t => {
  const gateway = await startGateway(t)
  const { page, errors } = await openConsole(t, { url: gateway.url, credentials: admin })
  await shows(page, '.state', 'Live')
  await (await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })).until(1)
  await publish(
    gateway,
    Array.from({ length: 50 }, (_, n) => ({ type: 'thing.made', data: { n } })),
  )
  await shows(page, '.place', '#50')
  const samples = async () => {
    const response = await fetch(`${gateway.url}/api/server/metrics`, { headers: as('admin') })
    const body = (await response.json()) as { samples: { published: number; delivered: number }[] }
    return body.samples
  }
  await until('the events are in a sample', async () =>
    (await samples()).some(({ published, delivered }) => published >= 50 && delivered >= 50),
  )

  await page.getByRole('link', { name: 'Overview' }).click()
  await page.locator('.uplot canvas').nth(3).waitFor()
  await page.getByText('The last hour as a table').click()

  t.match(
    await page.locator('.figures dd').nth(2).textContent(),
    /^[12]$/,
    'the feed of the page has been left, and is counted until the next sample; the other stream stays',
  )
  t.match(
    await page.getByRole('img', { name: /Events published/ }).getAttribute('aria-label'),
    /at most (\d{2,}|[1-9][\d.]*)\/s/,
  )
  t.ok((await page.locator('.as-table tbody tr').count()) >= 1)
  t.strictSame(errors, [])
})

t.test('the overview is fit for everybody, in every look', { skip }, async t => {
  const gateway = await startGateway(t)
  await until('there is a sample', async () => gateway.app.recentMetrics.samples().length > 0)

  const ready = (page: Parameters<typeof shows>[0]) => shows(page, '.figures', 'Clients')
  const places = { '#/overview': ready }
  t.strictSame(await lookFaults(t, { url: gateway.url, credentials: admin, places }), [])
})

t.test('only operators have an overview', { skip }, async t => {
  const { url } = await startGateway(t, { env: { OPERATOR_WORKSPACE: 'ops' } })
  const { page } = await openConsole(t, { url, credentials: admin, place: '#/overview' })

  await shows(page, 'h1', 'There is no page “overview”')
  t.equal(await page.getByRole('link', { name: 'Overview' }).count(), 0)
})

t.test('while the gateway does not answer, the figures stay and it is tried again', { skip }, async t => {
  const gateway = await startGateway(t)
  await until('there is a sample', async () => gateway.app.recentMetrics.samples().length > 0)
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/overview' })
  await shows(page, '.figures', 'Clients')

  await page.route('**/api/server/metrics*', route => route.abort())
  await shows(page, '.failure', 'The gateway does not answer')
  t.ok(await page.locator('.figures').isVisible())
  await page.unroute('**/api/server/metrics*')

  await page.locator('.failure').waitFor({ state: 'detached' })
})

t.test('a percentile is spread evenly within its bucket', async t => {
  const { percentile } = await importConsole<RecentModule>('pages/overview/recent.ts')
  const ends = [0.001, 0.01, 0.1]

  t.equal(percentile(0.5, [0, 0, 0, 0], ends), null)
  t.equal(percentile(0.5, [100, 0, 0, 0], ends), 0.5)
  t.equal(percentile(0.5, [0, 0, 100, 0], [1, 2, 4]), 3_000)
  t.equal(percentile(0.99, [99, 0, 0, 1], ends), 1)
  t.equal(percentile(1, [0, 0, 0, 1], ends), 100, 'beyond the last bucket it is the end of that')
})
