/** The recipes of docs/access.md, as a reader types them. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { fences, read, section } from '../../harness/document.js'
import { startGateway } from '../../harness/gateway.js'
import { findProgram } from '../../harness/program.js'
import { openTerminals } from '../../harness/terminals.js'

const skip = findProgram(['curl']) === undefined ? 'needs curl' : false

t.test('the keys of the recipes may do what the page says', { skip }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await startGateway(t, { databaseUrl })
  const terminals = openTerminals(t, {
    env: { DATABASE_URL: databaseUrl },
    instead: [
      ['http://127.0.0.1:8080', url],
      // Compiling must not happen while tests run.
      ['npm run --silent key --', `'${process.execPath}' dist/server/main.js key`],
    ],
  })
  const steps = fences(section(read('docs/access.md'), '## Recipes'))

  for (const step of steps) await terminals.walk(step)

  t.equal(steps.length, 3)
})
