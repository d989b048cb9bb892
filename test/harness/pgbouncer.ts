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
import { execute, temporaryFolder } from './server.js'
import { until } from './until.js'

const SERVER_CONNECTIONS = 3

/** For `t.test(name, { skip: withoutPgBouncer() }, …)`: false where it is there, else the reason. */
export function withoutPgBouncer(): string | false {
  return find() === undefined && 'PgBouncer is not installed (apt-get install pgbouncer)'
}

/** Starts it and stops it with `t`. @param url of a database that trusts its user. @returns the URL through it. */
export async function startPgBouncer(t: Test, url: string, mode: 'session' | 'transaction'): Promise<string> {
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
  const child = spawn(find() ?? 'pgbouncer', [join(folder, 'pgbouncer.ini')], {
    ...account,
    stdio: 'ignore',
    cwd: '/',
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  })
  const through = `postgres://${username}@127.0.0.1:${listen}${pathname}`
  await until('PgBouncer takes connections', () =>
    execute(through, 'select 1').then(
      () => true,
      () => false,
    ),
  )
  return through
}

function find(): string | undefined {
  return findProgram(['pgbouncer'], ['/usr/sbin'])
}
