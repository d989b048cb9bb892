/**
 * The real nginx with the real deploy/nginx.conf. Only what a test must choose for itself is replaced: the listen
 * port, the gateways' addresses and the folder for its pid and temporary files; a replacement that no longer fits
 * the file is an error, so the tests cannot drift away from what is shipped.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { patienceSignal } from './patience.js'
import { freePort } from './port.js'
import { findProgram } from './program.js'

const START_DEADLINE_MS = 10_000
const PORT_ATTEMPTS = 5

export interface Nginx {
  readonly url: string
  readonly port: number
  /** Everything that it has written so far, access and errors alike. */
  log(): string
}

/** The program's path, or undefined where it is not installed. */
export function findNginx(): string | undefined {
  return findProgram(['nginx'], ['/usr/sbin', '/usr/local/sbin'])
}

/** For `t.test(name, { skip: withoutNginx() }, …)`: false where nginx is there, else the reason. */
export function withoutNginx(): string | false {
  return findNginx() === undefined && 'nginx is not installed (apt-get install nginx)'
}

/** Starts nginx on a free port of the loopback in front of `upstreams`, and stops it when `t` ends. */
export async function startNginx(t: Test, options: { upstreams: readonly number[] }): Promise<Nginx> {
  const program = findNginx()
  if (program === undefined) throw new Error('nginx is not installed; skip with withoutNginx().')
  const folder = await mkdtemp(join(tmpdir(), 'sluice-nginx-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))

  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const log = join(folder, `log-${attempt}`)
    if (await run(t, { program, folder, log, port, upstreams: options.upstreams })) {
      return { url: `http://127.0.0.1:${port}`, port, log: () => readFileSync(log, 'utf8') }
    }
    // Another process may have taken the port since it was found free.
    if (attempt === PORT_ATTEMPTS) throw new Error(`nginx did not start:\n${readFileSync(log, 'utf8')}`)
  }
}

interface Run {
  readonly program: string
  readonly folder: string
  readonly log: string
  readonly port: number
  readonly upstreams: readonly number[]
}

/** Whether nginx came up and accepts connections; when it did, it is stopped with `t`. */
async function run(t: Test, { program, folder, log, port, upstreams }: Run): Promise<boolean> {
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, nginxConfiguration({ folder, port, upstreams }))
  // A file, not a pipe: nginx opens /dev/stdout anew, which cannot be done with the socket that Node would give it.
  const output = openSync(log, 'a')
  const child = spawn(program, ['-p', folder, '-c', file, '-g', 'daemon off; master_process off;'], {
    stdio: ['ignore', output, output],
  })
  const exited = once(child, 'exit')

  const late = patienceSignal(START_DEADLINE_MS)
  while (child.exitCode === null && !late.aborted) {
    // A path that nginx refuses by itself: the upstreams see nothing of this.
    const answer = await fetch(`http://127.0.0.1:${port}/%00`).catch(() => undefined)
    if (answer?.status === 400 && answer.headers.get('server') === 'nginx') {
      t.teardown(async () => {
        child.kill('SIGTERM')
        await exited
      })
      return true
    }
    await delay(20)
  }
  child.kill('SIGKILL')
  await exited
  return false
}

interface Replacements {
  readonly folder: string
  readonly port: number
  readonly upstreams: readonly number[]
  readonly changes?: readonly (readonly [from: string, to: string])[]
}

/** deploy/nginx.conf with what a test must replace, and with further changes. */
export function nginxConfiguration({ folder, port, upstreams, changes = [] }: Replacements): string {
  const shipped = readFileSync(join(packageRoot, 'deploy/nginx.conf'), 'utf8')
  const [first = '', ...others] = shipped.match(/^ *server gateway-\d+:8080 .*\n/gm) ?? []
  const servers = upstreams
    .map(upstream => first.replace(/gateway-\d+:8080/, `127.0.0.1:${upstream}`))
    .join('')
  return [
    [first, servers],
    ...others.map(line => [line, '']),
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ['/tmp/nginx', join(folder, 'nginx')],
    ...changes,
  ].reduce((text, [from = '', to = '']) => replaced(text, from, to), shipped)
}

function replaced(text: string, from: string, to: string): string {
  if (from === '' || !text.includes(from)) {
    throw new Error(`deploy/nginx.conf has no '${from}' any more; test/harness/nginx.ts must follow.`)
  }
  return text.replaceAll(from, () => to)
}
