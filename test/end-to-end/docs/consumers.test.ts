/** The commands of docs/consumers.md, as a reader types them, in their order. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { fences, read } from '../../harness/document.js'
import { startGateway } from '../../harness/gateway.js'
import { findProgram } from '../../harness/program.js'
import { openTerminals } from '../../harness/terminals.js'
import { token } from '../../harness/tokens.js'

const lacking = ['curl', 'psql'].find(name => findProgram([name]) === undefined)

t.test(
  'docs/consumers.md runs as it stands',
  { skip: lacking !== undefined && `needs ${lacking}` },
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const { url } = await startGateway(t, { databaseUrl })
    // Debian's psql is older than this parameter.
    const known = databaseUrl.replace(/sslnegotiation=\w+&?/, '')
    const terminals = openTerminals(t, {
      env: {
        DATABASE_URL: known,
        EDITOR_TOKEN: token({ role: 'editor', workspace: 'demo', sub: 'demo-editor' }),
      },
      instead: [['http://127.0.0.1:8080', url]],
      databaseUrl: known,
    })
    const steps = fences(read('docs/consumers.md'))

    for (const step of steps) await terminals.walk(step)

    t.equal(steps.length, 36)
  },
)
