import { existsSync, openSync } from 'node:fs'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { testEnvironment } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { startProgram } from '../../harness/process.js'
import { until } from '../../harness/until.js'

const FULL = '/dev/full'
const START_MS = 60_000

t.test(
  'a full disk behind the log costs lines, not the process',
  { skip: !existsSync(FULL) && `no ${FULL}` },
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const port = await freePort()
    const env = { ...testEnvironment(databaseUrl), PORT: `${port}`, LOG_LEVEL: 'info' }
    const gateway = startProgram(t, { env, stdout: openSync(FULL, 'w') })
    const answered = () =>
      fetch(`http://127.0.0.1:${port}/api/items`).then(
        ({ status }) => status === 401,
        () => false,
      )
    await until(
      'it serves',
      async () => {
        if (gateway.output() !== '') throw new Error(gateway.output())
        return await answered()
      },
      START_MS,
    )

    for (let n = 0; n < 10; n += 1) t.equal(await answered(), true)

    gateway.signal('SIGTERM')
    t.equal(await gateway.ended(), 0)
    t.equal(gateway.output(), '')
  },
)
