/** The pages that a browser is shown by a gateway, under the policies that it sends with them. */
import t from 'tap'
import { startTestGateway } from '../../server/testing.js'
import { openPage, withoutBrowser } from '../harness/browser.js'
import { shows } from '../harness/console.js'
import { createDatabase } from '../harness/database.js'
import { as, publish, startGateway } from '../harness/gateway.js'
import { SECRET, token } from '../harness/tokens.js'

const skip = withoutBrowser()

for (const prefix of ['', '/live']) {
  t.test(`the console follows the feed under its policy, mounted at "${prefix}/"`, { skip }, async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startTestGateway({ databaseUrl, prefix, jwtSecret: SECRET })
    t.teardown(() => gateway.close())
    const { page, errors } = await openPage(t)

    await page.goto(`${gateway.url}#token=${token({ role: 'editor' })}`)
    await shows(page, '.state', 'Live')
    await publish(gateway, { type: 'never.met.before', data: { order: 1 } })
    await shows(page, '.text', '{"order":1}')

    t.equal(page.url(), `${gateway.url}/`, 'the token has left the address')
    await page.locator('.row-link').first().click()
    await shows(page, '.details', 'order')
    t.match(page.url(), /\/#\/feed\/1\.[a-z2-7]{6}$/, 'the event has a link')
    t.strictSame(errors, [])
  })
}

t.test('the description of the API is shown, and tried out, under its policy', { skip }, async t => {
  const { url } = await startGateway(t)
  const { page, errors } = await openPage(t)

  await page.goto(`${url}/docs/`)
  await page.locator('#operations-server-getHealth').click()
  await page.getByRole('button', { name: 'Try it out' }).click()
  await page.getByRole('button', { name: 'Execute', exact: true }).click()
  await page.locator('.live-responses-table .response-col_status').filter({ hasText: '200' }).waitFor()

  t.strictSame(errors, [])
})

// Attack: a page of ours in an invisible frame of somebody else's, so that a click there is a click here.
t.test('no page may frame ours', { skip }, async t => {
  const { url } = await startGateway(t)
  const { page } = await openPage(t)
  const framed = async (path: string) => {
    await page.setContent(`<iframe src="${url}${path}"></iframe>`)
    const frame = await page.locator('iframe').elementHandle()
    const content = await frame?.contentFrame()
    await content?.waitForLoadState().catch(() => undefined)
    return (await content?.title().catch(() => '')) ?? ''
  }

  for (const path of ['/', '/docs/', '/health']) t.notMatch(await framed(path), /Sluice|Swagger/, path)
  t.equal((await fetch(`${url}/`, { headers: as('viewer') })).status, 200)
})
