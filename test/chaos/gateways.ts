/** The gateways of a run: processes at fixed addresses behind proxies, which are started again as a supervisor would. */
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../harness/port.js'
import { type GatewayProcess, startProcess } from '../harness/process.js'
import { FaultyProxy } from './faulty-proxy.js'
import type { Measured, Order } from './gateway-preload.js'
import { Scope } from './scope.js'

const PRELOAD = new URL('./gateway-preload.js', import.meta.url)
const START_AGAIN_MS = 300

export interface GatewayOptions {
  readonly name: string
  /** The port of Postgres. */
  readonly databasePort: number
  readonly databaseUrl: (port: number) => string
  readonly env: Readonly<Record<string, string>>
}

export class ChaosGateway {
  /** What the process writes that tells a fault of its own. */
  readonly faults: string[] = []
  #life = new Scope()
  #process: GatewayProcess | undefined
  #measures = 0

  private constructor(
    readonly name: string,
    /** Between nginx and the gateway. */
    readonly upstream: FaultyProxy,
    /** Between the gateway and Postgres. */
    readonly database: FaultyProxy,
    readonly port: number,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /** It has an address and is not started. */
  static async prepare(
    scope: Scope,
    { name, databasePort, databaseUrl, env }: GatewayOptions,
  ): Promise<ChaosGateway> {
    const port = await freePort()
    const database = await FaultyProxy.start(scope, databasePort)
    const upstream = await FaultyProxy.start(scope, port)
    const own = {
      DATABASE_URL: databaseUrl(database.port),
      NODE_OPTIONS: `--import ${PRELOAD.href}`,
      ...env,
    }
    const gateway = new ChaosGateway(name, upstream, database, port, own)
    scope.teardown(() => gateway.kill())
    return gateway
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Resolves when it takes requests. A start that fails, as without a database, is repeated. */
  async start(): Promise<void> {
    for (let attempt = 1; !this.#process; attempt += 1) {
      const life = new Scope()
      try {
        this.#process = await startProcess(life, { port: this.port, env: this.env })
        this.#life = life
      } catch (error) {
        await life.close()
        if (attempt === 30) throw error
        await pause(START_AGAIN_MS)
      }
    }
  }

  async kill(): Promise<void> {
    await this.#end(async life => await life.kill())
  }

  /** SIGTERM. */
  async stop(): Promise<void> {
    await this.#end(async life => {
      const code = await life.stop()
      if (code !== 0) this.faults.push(`${this.name} ended with ${code} after SIGTERM`)
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.signal(signal)
  }

  block(ms: number): void {
    this.#order({ block: ms })
  }

  async measure(): Promise<Measured['measures']> {
    const process = this.#process
    if (!process) throw new Error(`${this.name} does not run.`)
    this.#measures += 1
    const number = this.#measures
    const answer = new Promise<Measured>(resolve => {
      const take = (message: object) => {
        if (!('measured' in message) || message.measured !== number) return
        process.channel.off('message', take)
        resolve(message as Measured)
      }
      process.channel.on('message', take)
    })
    this.#order({ measure: number })
    return (await answer).measures
  }

  #order(order: Order): void {
    this.#process?.channel.send(order)
  }

  async #end(how: (process: GatewayProcess) => Promise<unknown>): Promise<void> {
    const process = this.#process
    if (!process) return
    this.#process = undefined
    await how(process)
    this.faults.push(
      ...process
        .output()
        .split('\n')
        .filter(isFault)
        .map(line => `${this.name}: ${line}`),
    )
    await this.#life.close()
  }
}

/** A line of its log at the level error or fatal; that the disk of Postgres is full (SQLSTATE 53100) is none of its own. */
function isFault(line: string): boolean {
  return /"level":[56]0/.test(line) && !line.includes('"code":"53100"')
}
