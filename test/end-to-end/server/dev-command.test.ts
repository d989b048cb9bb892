/** `sluice dev`: a gateway for development at once, and a context with which the other commands work. */
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { freePort } from '../../harness/port.js'
import { startProgram } from '../../harness/process.js'
import { temporaryFolder } from '../../harness/server.js'

t.test(
  'it starts beside a database of production, plays the demo, and the next command needs no arguments',
  async t => {
    const folder = await temporaryFolder()
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
    const port = String(await freePort())
    const home = { XDG_CONFIG_HOME: folder }
    const args = ['dev', '--port', port, '--data', join(folder, 'data')]
    const production = {
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/production',
      JWT_SECRET: 'a secret of production, 32 characters',
    }

    const program = startProgram(t, { args, env: { ...home, ...production, LOG_LEVEL: 'warn' } })
    await program.until(/^Sluice listens on http/m)
    const cluster = await runCommand(['cluster', '--json'], home)
    const { url } = JSON.parse(cluster.out)
    const refused = await runCommand(['dev'], { ...home, NODE_ENV: 'production' })
    const file = join(folder, 'sluice/contexts.json')
    const before = await readFile(file, 'utf8')
    const second = await runCommand(['dev', '--port', port, '--data', join(folder, 'other')], home)
    const after = await readFile(file, 'utf8')
    program.signal('SIGTERM')

    t.match(program.output(), /^sluice dev ignores DATABASE_URL, JWT_SECRET\.$/m)
    t.match(program.output(), /^The context dev is ready: in another terminal, try `sluice tail`\.$/m)
    t.match([cluster.code, url], [0, `http://127.0.0.1:${port}`])
    t.match(refused, { code: 2, told: /NODE_ENV is production/ })
    t.equal(await program.ended(), 0)
    t.match(second, {
      code: 1,
      out: '',
      told: /^listen EADDRINUSE: .*\. Stop the program .*, or give another with --port\.\n$/,
    })
    t.equal(after, before, 'the context still has the credential of the gateway that runs')
    t.match(JSON.parse(await readFile(file, 'utf8')), { current: 'dev', contexts: { dev: { url } } })
    t.equal((await stat(file)).mode & 0o777, 0o600)
  },
)
