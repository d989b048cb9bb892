/** The real Prometheus with the rules of deploy/, reading the metrics of one gateway every second. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { freePort } from './port.js'
import { findProgram } from './program.js'
import { until } from './until.js'

export const RULES = join(packageRoot, 'deploy/prometheus/alerts.yml')

export interface Prometheus {
  /** The JSON of one of its API's answers, such as of `query?query=up`. */
  get(path: string): Promise<{ status: string; error?: string; data: unknown }>
}

export function findPrometheus(): string | undefined {
  return findProgram(['prometheus'], ['/usr/bin', '/usr/local/bin'])
}

export function findPromtool(): string | undefined {
  return findProgram(['promtool'], ['/usr/bin', '/usr/local/bin'])
}

/** For `t.test(name, { skip: withoutPrometheus() }, …)`: false where it is there, else the reason. */
export function withoutPrometheus(): string | false {
  const there = findPrometheus() !== undefined && findPromtool() !== undefined
  return !there && 'Prometheus is not installed (apt-get install prometheus)'
}

/** Starts it on a free port of the loopback, and stops it when the test ends. @param target host and port of the metrics. */
export async function startPrometheus(t: Test, target: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-prometheus-'))
  const file = join(folder, 'prometheus.yml')
  await writeFile(
    file,
    JSON.stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [RULES],
      scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets: [target] }] }],
    }),
  )
  const address = `127.0.0.1:${await freePort()}`
  const program = spawn(
    findPrometheus() ?? '',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: 'ignore' },
  )
  const ended = once(program, 'exit')
  t.teardown(async () => {
    program.kill()
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  await until('Prometheus is ready', async () => {
    const response = await fetch(`http://${address}/-/ready`).catch(() => undefined)
    return response?.status === 200
  })
  return {
    async get(path) {
      const response = await fetch(`http://${address}/api/v1/${path}`)
      return (await response.json()) as { status: string; error?: string; data: unknown }
    },
  }
}
