/** The program clients/python/live/follower.py, and what it has seen. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { until } from '../../../harness/until.js'
import { type PythonEnvironment, sources } from './environment.js'

const PATIENCE_MS = 60_000

export interface Sight {
  readonly saw: string
  readonly [member: string]: unknown
}

export class Follower {
  /** Of all its lives. */
  readonly sights: Sight[] = []
  /** The number of sights of earlier lives. */
  #earlier = 0
  #child: ReturnType<typeof spawn> | undefined
  #errors = ''

  constructor(
    private readonly t: Test,
    private readonly environment: PythonEnvironment,
    readonly mode: 'threads' | 'tasks',
    private readonly args: readonly [url: string, login: string, database: string],
  ) {}

  start(): void {
    this.#earlier = this.sights.length
    const program = join(sources, 'live/follower.py')
    const child = spawn(this.environment.python, ['-B', program, this.mode, ...this.args])
    this.#child = child
    createInterface({ input: child.stdout }).on('line', line => this.sights.push(JSON.parse(line)))
    child.stderr.setEncoding('utf8').on('data', text => {
      this.#errors = (this.#errors + text).slice(-4_000)
    })
    this.t.teardown(() => this.kill())
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'close')
  }

  count(saw: string): number {
    return this.sights.filter(sight => sight.saw === saw).length
  }

  /** Waits for a fact about the sights of its present life. */
  async seesNow(what: string, fact: (sights: readonly Sight[]) => boolean): Promise<void> {
    await this.sees(what, sights => fact(sights.slice(this.#earlier)))
  }

  async sees(what: string, fact: (sights: readonly Sight[]) => boolean): Promise<void> {
    const look = () => {
      if (typeof this.#child?.exitCode === 'number')
        throw new Error(`${this.mode} has ended: ${this.#errors}`)
      return fact(this.sights)
    }
    await until(`${this.mode} sees ${what}`, look, PATIENCE_MS)
  }

  /** The ids of the events that it has kept, in their order. */
  async kept(): Promise<string[]> {
    const output = await this.environment.run(['live/follower.py', 'dump', this.args[2]])
    return output.split('\n').filter(line => line !== '')
  }
}
