/** The real nginx, HAProxy or Caddy with a configuration that a test writes, on a free port of the loopback. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './port.js'
import { findProgram } from './program.js'
import { succeeds, until } from './until.js'

type Name = 'nginx' | 'haproxy' | 'caddy'

type Arguments = Readonly<Record<Name, (file: string, folder: string) => readonly string[]>>

const ARGUMENTS: Arguments = {
  nginx: (file, folder) => ['-p', folder, '-c', file, '-g', 'daemon off; master_process off;'],
  haproxy: file => ['-db', '-f', file],
  caddy: file => ['run', '--adapter', 'caddyfile', '--config', file],
}
/** With a master, whose workers a reload replaces. Caddy is one process. */
const RELOADABLE: Arguments = {
  ...ARGUMENTS,
  nginx: (file, folder) => ['-p', folder, '-c', file, '-g', 'daemon off;'],
  haproxy: file => ['-W', '-db', '-f', file],
}

/** For `t.test(name, { skip: withoutProgram('nginx') }, …)`: false where it is there, else the reason. */
export function withoutProgram(name: Name): string | false {
  return findProxy(name) === undefined && `${name} is not installed (apt-get install ${name})`
}

type Write = (port: number, folder: string) => string

/** Starts it, and stops it when `t` ends. @param write its configuration. @returns its URL. */
export async function startOwnProxy(t: Test, name: Name, write: Write): Promise<string> {
  const { port } = await runProxy(t, name, write)
  return `http://127.0.0.1:${port}`
}

export interface ProxyProcess {
  readonly pid: number
  readonly port: number
  /** The file with its configuration, and the folder that it is in. */
  readonly file: string
  readonly folder: string
  /** Everything that it has written so far. */
  log(): string
}

/** The same, for a proxy of any scheme. @param reloads whether it can reload its configuration. */
export async function runProxy(t: Test, name: Name, write: Write, reloads = false): Promise<ProxyProcess> {
  const folder = await mkdtemp(join(tmpdir(), `sluice-own-${name}-`))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const port = await freePort()
  const [file, log] = [join(folder, 'configuration'), join(folder, 'log')]
  writeFileSync(file, write(port, folder))
  const output = openSync(log, 'a')
  const child = spawn(findProxy(name) ?? '', (reloads ? RELOADABLE : ARGUMENTS)[name](file, folder), {
    stdio: ['ignore', output, output],
    env: { PATH: process.env.PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    // A master must end its workers. Caddy would wait for its clients.
    child.kill(reloads && name !== 'caddy' ? 'SIGTERM' : 'SIGKILL')
    await exited
  })
  const written = () => readFileSync(log, 'utf8')
  await until(`${name} takes connections`, async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended:\n${written()}`)
    return await accepts(port)
  })
  return { pid: child.pid ?? 0, port, file, folder, log: written }
}

/** The path of the program, or undefined where it is not installed. */
export function findProxy(name: Name): string | undefined {
  return findProgram([name], ['/usr/sbin', '/usr/local/sbin'])
}

async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1')
  const connected = await succeeds(once(socket, 'connect'))
  socket.destroy()
  return connected
}
