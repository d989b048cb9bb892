/** The commands of docs/consumers.md, as a reader types them, in their order. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { fences, read } from '../../harness/document.js'
import { startGateway } from '../../harness/gateway.js'
import { NPM_RUN_SQL } from '../../harness/newcomer.js'
import { findProgram } from '../../harness/program.js'
import { openTerminals } from '../../harness/terminals.js'
import { token } from '../../harness/tokens.js'

const skip = findProgram(['curl']) === undefined ? 'needs curl' : false

t.test('docs/consumers.md runs as it stands', { skip }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const { url } = await startGateway(t, { databaseUrl })
  const terminals = openTerminals(t, {
    env: {
      DATABASE_URL: databaseUrl,
      EDITOR_TOKEN: token({ role: 'editor', workspace: 'demo', sub: 'demo-editor' }),
    },
    instead: [
      ['http://127.0.0.1:8080', url],
      ['npm run --silent sql --', NPM_RUN_SQL],
    ],
  })
  const steps = fences(read('docs/consumers.md'))

  for (const step of steps) await terminals.walk(step)

  t.equal(steps.length, 36)
})
