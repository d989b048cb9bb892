import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { as, startGateway } from '../../harness/gateway.js'

const run = promisify(execFile)
const script = join(packageRoot, 'examples/items.sh')
const skip = spawnSync('curl', ['--version']).error ? 'needs curl' : false

t.test('the example walks through the life of an item', { skip }, async t => {
  const { url } = await startGateway(t)
  const SLUICE_TOKEN = as('editor').authorization.replace('Bearer ', '')

  const { stdout } = await run('sh', [script], { env: { ...process.env, SLUICE_URL: url, SLUICE_TOKEN } })

  const answers = stdout.split('\n').flatMap(line => (line.startsWith('{') ? [JSON.parse(line)] : []))
  const [created, changed, refused, revision, revisions, page] = answers
  t.match(created, { revision: 1 })
  t.match(changed, { properties: { material: 'S235JR' } })
  t.match(refused, { code: 'precondition-failed', etag: changed.etag })
  t.match(revision, { revision_number: 2 })
  t.equal(revisions.revisions.length, 2)
  t.same(
    page.events.map((event: { type: string }) => event.type),
    ['item.updated', 'revision.created', 'item.updated', 'item.deleted'],
  )
})

t.test('the example says what is missing', async t => {
  const { PATH } = process.env

  await t.rejects(run('sh', [script], { env: { PATH } }), /SLUICE_TOKEN.*npm start/)
})
