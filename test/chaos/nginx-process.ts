/** The real nginx with the shipped configuration and a master process, which a run reloads, kills and starts again at its port. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNginx, nginxConfiguration } from '../harness/nginx.js'
import { freePort } from '../harness/port.js'
import { childrenOf } from '../harness/processes.js'
import { until } from '../harness/until.js'
import type { Scope } from './scope.js'

/** Seconds that nginx waits for bytes of a gateway. */
interface ReadTimeouts {
  readonly streams: number
  readonly others: number
}

/**
 * In a long run, instead of an hour and a minute: more than two heartbeats, and less than a client waits for one (12.5 s).
 */
export const LONG_READ_TIMEOUTS_S: ReadTimeouts = { streams: 11, others: 12 }

export class NginxProcess {
  #child: ChildProcess | undefined

  private constructor(
    readonly port: number,
    private readonly folder: string,
  ) {}

  /** @param timeouts default: as shipped. */
  static async start(
    scope: Scope,
    upstreams: readonly number[],
    timeouts?: ReadTimeouts,
  ): Promise<NginxProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-nginx-'))
    scope.teardown(() => rm(folder, { recursive: true, force: true }))
    const port = await freePort()
    // Its own log of requests would be the largest file of a long run.
    const changes: [string, string][] = [['access_log /dev/stdout access;', 'access_log off;']]
    if (timeouts)
      changes.push(
        ['proxy_read_timeout 3600s;', `proxy_read_timeout ${timeouts.streams}s;`],
        [
          'proxy_connect_timeout 2s;',
          `proxy_connect_timeout 2s;\n    proxy_read_timeout ${timeouts.others}s;`,
        ],
      )
    const text = nginxConfiguration({ folder, port, upstreams, changes })
    writeFileSync(join(folder, 'nginx.conf'), text)
    const nginx = new NginxProcess(port, folder)
    scope.teardown(() => nginx.kill())
    await nginx.start()
    return nginx
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Resolves when it takes requests. */
  async start(): Promise<void> {
    const log = join(this.folder, 'log')
    const output = openSync(log, 'a')
    const directives = `daemon off;${process.getuid?.() === 0 ? ' user root;' : ''}`
    const child = spawn(
      findNginx() ?? '',
      ['-p', this.folder, '-c', join(this.folder, 'nginx.conf'), '-g', directives],
      {
        stdio: ['ignore', output, output],
      },
    )
    this.#child = child
    await until('nginx takes requests', async () => {
      if (child.exitCode !== null) throw new Error(`nginx ended:\n${readFileSync(log, 'utf8')}`)
      // A path that nginx refuses by itself.
      const answer = await fetch(`${this.url}/%00`).catch(() => undefined)
      return answer?.status === 400
    })
  }

  /** New workers take new connections; the old ones end the streams that they have, within 20 s. */
  reload(): void {
    this.#child?.kill('SIGHUP')
  }

  /** Master and workers at once. Resolves when the port is free. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    const pids = [child.pid ?? 0, ...childrenOf(child.pid ?? 0)]
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await exited
  }
}
