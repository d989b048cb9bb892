/** The first webhook of docs/webhooks.md, as a reader makes it: the commands in their order, and the receiver of the page. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { createDatabase } from '../../harness/database.js'
import { fences, read, section } from '../../harness/document.js'
import { startNewcomersGateway } from '../../harness/newcomer.js'
import { patienceSignal } from '../../harness/patience.js'
import { freePort } from '../../harness/port.js'
import { findProgram } from '../../harness/program.js'
import { openTerminals } from '../../harness/terminals.js'
import { succeeds, until } from '../../harness/until.js'

const PATIENCE_MS = 30_000
const skip = findProgram(['curl']) === undefined ? 'needs curl' : false

t.test('the first webhook of docs/webhooks.md arrives as the page says', { skip }, async t => {
  // In the package, whose library the receiver uses.
  const folder = join(packageRoot, '.build/first-webhook')
  await mkdir(folder, { recursive: true })
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const page = read('docs/webhooks.md')
  const [receiver] = fences(section(page, '### Node')).filter(({ info }) => info === 'js')
  await writeFile(join(folder, 'receiver.mjs'), receiver?.text ?? '')
  const { url: databaseUrl } = await createDatabase(t)
  const { url, adminToken } = await startNewcomersGateway(t, { DATABASE_URL: databaseUrl })
  const port = await freePort()
  const terminals = openTerminals(t, {
    folder,
    env: { ADMIN_TOKEN: adminToken, PORT: String(port) },
    instead: [
      ['http://127.0.0.1:8080', url],
      ['127.0.0.1:3000', `127.0.0.1:${port}`],
    ],
  })
  const listens = () =>
    succeeds(fetch(`http://127.0.0.1:${port}/`, { method: 'POST', signal: patienceSignal(PATIENCE_MS) }))
  const steps = fences(section(page, '## The first webhook'))

  for (const { info, text } of steps) {
    const [, id = '<id>'] = /"id":"([^"]+)","url"/.exec(terminals.shown()) ?? []
    const [secret = 'whsec_…'] = /whsec_[\w+/=]+/.exec(terminals.shown()) ?? []
    await terminals.walk({ info, text: text.replaceAll('<id>', id).replaceAll('whsec_…', secret) })
    if (info === 'sh receiver') await until('the receiver listens', listens)
  }

  t.equal(steps.length, 7)
})
