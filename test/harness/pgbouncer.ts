/** The real PgBouncer in front of a server of the loopback: transactions of many clients share few connections. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { serverAccount } from '../../src/embedded-postgres/server-account.js'
import { freePort } from './port.js'
import { findProgram } from './program.js'
import { answers, temporaryFolder } from './server.js'
import { until } from './until.js'

const SERVER_CONNECTIONS = 3

/** For `t.test(name, { skip: withoutPgBouncer() }, …)`: false where it is there, else the reason. */
export function withoutPgBouncer(): string | false {
  return find() === undefined && 'PgBouncer is not installed (apt-get install pgbouncer)'
}

type Mode = 'session' | 'transaction'

export interface PgBouncer {
  /** The URL through it. */
  readonly url: string
  /** Resolves when it takes connections. */
  start(): Promise<void>
  /** Cuts all connections, of clients and to the server. */
  kill(): Promise<void>
}

/** Starts it and stops it with `t`. @param url of a database that trusts its user. @returns the URL through it. */
export async function startPgBouncer(t: Test, url: string, mode: Mode): Promise<string> {
  return (await runPgBouncer(t, url, mode)).url
}

/** The same, for a test that restarts it. */
export async function runPgBouncer(t: Test, url: string, mode: Mode): Promise<PgBouncer> {
  const { hostname, port, username, pathname } = new URL(url)
  const folder = await temporaryFolder()
  const listen = await freePort()
  writeFileSync(join(folder, 'users'), `"${username}" ""\n`)
  writeFileSync(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listen}
unix_socket_dir =
auth_type = trust
auth_file = ${join(folder, 'users')}
pool_mode = ${mode}
default_pool_size = ${mode === 'session' ? 20 : SERVER_CONNECTIONS}
`,
  )
  // It refuses to run as root.
  const account = await serverAccount(folder)
  const through = `postgres://${username}@127.0.0.1:${listen}${pathname}`
  let kill = async () => {}
  const start = async () => {
    const child = spawn(find() ?? 'pgbouncer', [join(folder, 'pgbouncer.ini')], {
      ...account,
      stdio: 'ignore',
      cwd: '/',
    })
    const exited = once(child, 'exit')
    kill = async () => {
      child.kill('SIGKILL')
      await exited
    }
    await until('PgBouncer takes connections', () => answers(through))
  }
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return { url: through, start, kill: () => kill() }
}

function find(): string | undefined {
  return findProgram(['pgbouncer'], ['/usr/sbin'])
}
