/** The page of clients: a real gateway with real clients, a real browser. */
import t, { type Test } from 'tap'
import { withoutBrowser } from '../../harness/browser.js'
import { goTo, openConsole, shows } from '../../harness/console.js'
import { lookFaults } from '../../harness/console-looks.js'
import { type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const skip = withoutBrowser()
const admin = token({ role: 'admin' })
const ATTACK = `"'><img src=x onerror="document.title='x'"><script>document.title='y'</script>`

t.test('a client is found with its lag and bytes, and ended by keyboard alone', { skip }, async t => {
  const gateway = await startGateway(t)
  const { ended } = await follow(t, gateway, 'grace', 'types=item.*')
  const { page, errors } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/clients' })

  await shows(page, 'tr', /grace.*feedndjsontypes item\.\*live0 events0 bytes/)
  await page.locator('button[aria-label="End grace"]').focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog button.danger').focus()
  await page.keyboard.press('Enter')

  t.match(await ended, 'by-admin')
  await page.locator('button[aria-label="End grace"]').waitFor({ state: 'detached' })
  await page.locator('.views a', { hasText: 'Closed' }).click()
  await shows(page, 'td', 'an admin ended it')
  t.strictSame(errors, [])
})

t.test('what became of an event is explained, for a client and for all', { skip }, async t => {
  const gateway = await startGateway(t)
  await follow(t, gateway, 'grace', 'types=item.*')
  await follow(t, gateway, 'bob')
  const [id = ''] = await publish(gateway, { type: 'door.opened', data: { door: 7 } })
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/clients' })

  await page.locator('a[aria-label="Explain an event to grace"]').click()
  await page.locator('input[name=event]').fill(id)
  await page.keyboard.press('Enter')
  await shows(page, '.heading .badge', 'filtered-by-type')
  await shows(page, 'td', 'The client asked for the types item.*.')

  await goTo(page, `#/clients/explain?event=${id}`)
  await shows(page, '.heading .badge', 'written')
  await shows(page, 'tr', /bob.*written/)
  await shows(page, 'tr', /grace.*filtered-by-type/)
})

t.test('closed and refused clients are listed with the reason', { skip }, async t => {
  const gateway = await startGateway(t, { env: { MAX_STREAMS_PER_PRINCIPAL: '1' } })
  const { leave } = await follow(t, gateway, 'grace')
  const second = await fetch(`${gateway.url}/api/events`, {
    headers: { authorization: `Bearer ${token({ sub: 'grace' })}`, accept: 'application/x-ndjson' },
  })
  t.equal(second.status, 503)
  leave()
  const { page } = await openConsole(t, {
    url: gateway.url,
    credentials: admin,
    place: '#/clients?view=refused',
  })

  await shows(page, 'tr', /grace.*limit of the principal/)
  await page.locator('.views a', { hasText: 'Closed' }).click()
  await shows(page, 'td', 'it disconnected')
})

t.test('operators see the nodes of the cluster', { skip }, async t => {
  const gateway = await startGateway(t)
  const other = await startGateway(t, { databaseUrl: gateway.databaseUrl })
  t.not(other.url, gateway.url)
  const { page } = await openConsole(t, { url: gateway.url, credentials: admin, place: '#/server' })

  await page.locator('tbody tr').nth(1).waitFor()
  t.equal(await page.locator('tbody tr', { hasText: 'which answers' }).count(), 1)
})

// Attack: what a client sends is markup, or a script, in the page of an admin.
t.test('hostile text in every field is text, in every look', { skip }, async t => {
  const gateway = await startGateway(t)
  await follow(
    t,
    gateway,
    ATTACK,
    new URLSearchParams({ where: `data.x eq ${JSON.stringify(ATTACK)}` }).toString(),
  )
  const { leave } = await follow(t, gateway, ATTACK)
  leave()
  const [id = ''] = await publish(gateway, { type: 'note', data: { text: ATTACK } })
  await fetch(`${gateway.url}/api/events?stream=nothing`, {
    headers: { authorization: `Bearer ${token({ sub: ATTACK })}`, accept: 'application/x-ndjson' },
  })

  const faults = await lookFaults(t, {
    url: gateway.url,
    credentials: admin,
    places: {
      '#/clients': page => shows(page, 'th', ATTACK),
      '#/clients?view=closed': page => shows(page, 'th', ATTACK),
      '#/clients?view=refused': page => shows(page, 'th', ATTACK),
      [`#/clients/explain?event=${id}`]: page => shows(page, 'th', ATTACK),
    },
  })

  t.strictSame(faults, [])
})

interface Follower {
  /** What it received until its stream ended. */
  readonly ended: Promise<string>
  leave(): void
}

/** A client that follows the feed, and has begun. */
async function follow(t: Test, { url }: Gateway, sub: string, query = ''): Promise<Follower> {
  const connection = new AbortController()
  const leave = () => connection.abort()
  t.teardown(leave)
  const response = await fetch(`${url}/api/events?${query}`, {
    headers: { authorization: `Bearer ${token({ sub })}`, accept: 'application/x-ndjson' },
    signal: connection.signal,
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  const ended = response.text()
  ended.catch(() => undefined)
  return { ended, leave }
}
