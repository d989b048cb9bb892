/** Gateways for the benches of access: processes of their own on one database, each with other settings. */
import { type ChildProcess, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'

const MAIN = fileURLToPath(new URL('../server/main.js', import.meta.url))
/** Clock ticks a second in /proc; fixed on Linux. */
const TICKS = 100

export interface Ask {
  readonly path: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string
  /** The response does not end: the client disconnects as soon as it has the head. */
  readonly stream?: true
}

export interface AccessGateway {
  /** Resolves with the status and the text of the response. */
  ask(request: Ask): Promise<{ status: number; text: string }>
  /** CPU seconds that its process has used. */
  cpuSeconds(): Promise<number>
  close(): Promise<void>
}

/** @param connections that requests are sent on. */
export async function startAccessGateway(
  env: Readonly<Record<string, string>>,
  connections: number,
): Promise<AccessGateway> {
  const gateway = spawn(process.execPath, [MAIN], {
    env: { ...process.env, PORT: '0', LOG_LEVEL: 'warn', RATE_LIMIT_MAX: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pool = new Pool(await urlOf(gateway), { connections, pipelining: 1 })
  return {
    async ask({ path, method = 'GET', headers = {}, body, stream }) {
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const answer = await pool.request({
        path,
        method,
        headers: { ...type, ...headers },
        body: body ?? null,
      })
      if (stream) answer.body.on('error', () => {}).destroy()
      return { status: answer.statusCode, text: stream ? '' : await answer.body.text() }
    },
    async cpuSeconds() {
      const stat = await readFile(`/proc/${gateway.pid}/stat`, 'utf8')
      // Behind the command's name, which may hold anything: fields 14 and 15 of proc(5).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / TICKS
    },
    async close() {
      await pool.destroy()
      gateway.kill('SIGTERM')
      if (gateway.exitCode === null && gateway.signalCode === null) await once(gateway, 'exit')
    },
  }
}

async function urlOf(gateway: ChildProcess): Promise<string> {
  let text = ''
  for await (const [chunk] of on(gateway.stdout ?? gateway, 'data', { close: ['end'] })) {
    text += chunk
    const url = /http:\/\/[\w.:]+/.exec(text)?.[0]
    if (url !== undefined && text.includes('\n')) return url
  }
  throw new Error(`The gateway did not start:\n${text}`)
}
