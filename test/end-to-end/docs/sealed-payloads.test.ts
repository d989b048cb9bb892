/** docs/recipes/sealed-payloads.md as a reader walks it, and what it promises: no byte of a payload changes on its way. */
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { createDatabase } from '../../harness/database.js'
import { fences, read } from '../../harness/document.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { preparePostgres } from '../../harness/postgres.js'
import { findProgram } from '../../harness/program.js'
import { openTerminals } from '../../harness/terminals.js'

const skip = findProgram(['psql']) === undefined ? 'needs psql' : false
const token = (role: 'viewer' | 'editor') => as(role, 'demo').authorization.replace('Bearer ', '')

t.test('the page runs as it stands', { skip }, async t => {
  const postgres = await preparePostgres(t)
  await postgres.start()
  await migrate(postgres.url)
  const { url } = await startGateway(t, { databaseUrl: postgres.url })
  const terminals = openTerminals(t, {
    folder: t.testdir({}),
    env: { EDITOR_TOKEN: token('editor'), VIEWER_TOKEN: token('viewer'), DATABASE_URL: postgres.url },
    instead: [['http://127.0.0.1:8080', url]],
    databaseUrl: postgres.url,
  })
  const steps = fences(read('docs/recipes/sealed-payloads.md'))

  for (const step of steps) await terminals.walk(step)

  t.equal(steps.length, 9)
})

t.test(
  'a sealed text is the same byte for byte on every way out, and the log shows nothing of it',
  async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateway = await startGateway(t, { databaseUrl })
    // Every form in which binary payloads are written as text, of odd sizes, and the largest.
    const sealed = [1, 17, 4_095, 180_000].flatMap(size => {
      const bytes = randomBytes(size)
      return [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('latin1')]
    })
    const digest = (texts: string[]) => texts.map(text => createHash('sha256').update(text).digest('hex'))
    const fits = sealed.filter(text => JSON.stringify({ sealed: text }).length < 250_000)
    const viewer = as('viewer', 'demo')
    const live = await openStream(t, `${gateway.url}/api/events`, { headers: viewer })

    for (const text of fits)
      await publish(gateway, { type: 'letter.sent', data: { sealed: text } }, { workspace: 'demo' })
    const get = async (accept: string, more = '') => {
      const url = `${gateway.url}/api/events?limit=100${more}`
      return await (await fetch(url, { headers: { ...viewer, accept } })).text()
    }
    const page: { events: { data: { sealed: string } }[] } = JSON.parse(await get('application/json'))
    const lines = (await get('application/x-ndjson'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const sent = await live.until(fits.length, 'letter.sent')
    const { rows } = await pool.query('select data::text as data from sluice.events order by position')

    t.ok(fits.length >= 10)
    t.strictSame(digest(sent.map(({ data }) => JSON.parse(data).sealed)), digest(fits))
    t.strictSame(digest(page.events.map(({ data }) => data.sealed)), digest(fits))
    t.strictSame(digest(lines.map(({ data }) => data.sealed)), digest(fits))
    t.strictSame(digest(rows.map(row => JSON.parse(row.data).sealed)), digest(fits))
  },
)

t.test('filters and latest values see the open fields, and redaction takes the sealed ones too', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  const letters = [
    { id: 'l-1', to: 'ada', sealed: 'eyJhIjoxfQ..first' },
    { id: 'l-1', to: 'ada', sealed: 'eyJhIjoxfQ..second' },
    { id: 'l-2', to: 'bob', sealed: 'eyJhIjoxfQ..third' },
  ]
  for (const data of letters) await publish(gateway, { type: 'letter.sent', data }, { workspace: 'demo' })
  const page = async (path: string) => {
    const url = `${gateway.url}/api/${path}`
    const response = await fetch(url, { headers: { ...as('viewer', 'demo'), accept: 'application/json' } })
    const { events }: { events: { type: string; data: { sealed?: string } }[] } = JSON.parse(
      await response.text(),
    )
    return events.map(event => event.data.sealed ?? event.type)
  }
  const filtered = (where: string) => page(`events?${new URLSearchParams({ where })}`)

  const byReader = await filtered('data.to eq "ada"')
  const byText = await filtered('data.sealed eq "eyJhIjoxfQ..third"')
  const latest = await page('latest?key=data.id')
  await pool.query(`select sluice.redact('demo', 'feed', 3, 'request 118')`)
  const left = await pool.query(`select from sluice.events where data::text like '%third%'`)

  t.strictSame(byReader, ['eyJhIjoxfQ..first', 'eyJhIjoxfQ..second'])
  t.strictSame(byText, ['eyJhIjoxfQ..third'])
  t.strictSame(latest.sort(), ['eyJhIjoxfQ..second', 'eyJhIjoxfQ..third'])
  t.equal(left.rowCount, 0)
})
