/**
 * One run of the `postgres` program, tied to the life of this process.
 *
 * A shell runs in between: it holds the reading end of a pipe whose writing end only this process has. When that end
 * closes, because we close it or because this process was killed, the shell tells the server to shut down. It is
 * detached, so that Ctrl-C in a terminal reaches only this process and the server runs until we have drained.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Account } from './server-account.js'

/**
 * $1 is the socket's directory, which is removed after an orderly end but stays after a crash; the rest is the
 * server's command line. SIGINT is the fast shutdown (PostgreSQL manual, 18.5). The mark belongs to this shell: one
 * that a killed shell left must not make the next one remove the directory.
 */
const KEEPER = `
sockets=$1; closing=$1/closing.$$; shift
"$@" 3<&- & server=$!
{ read -r _ <&3; : >"$closing"; kill -INT "$server"; } 2>/dev/null & lookout=$!
wait "$server"; status=$?
kill "$lookout" 2>/dev/null
if [ -e "$closing" ]; then rm -rf "$sockets"; fi
exit "$status"
`

export interface PostgresProcess {
  /** Resolves when the program has ended in any way. Never rejects. */
  readonly ended: Promise<void>
  /** Requests a fast shutdown. A second call has no effect. */
  stop(): void
}

export interface PostgresProcessOptions {
  readonly postgres: string
  readonly cluster: string
  readonly sockets: string
  readonly account: Account
  readonly settings: Readonly<Record<string, string>>
  onLog(line: string): void
}

export function runPostgres(options: PostgresProcessOptions): PostgresProcess {
  const { postgres, cluster, sockets, account, settings, onLog } = options
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const start = () =>
    spawn(
      '/bin/sh',
      ['-c', KEEPER, 'sluice-postgres', sockets, postgres, '-D', cluster, '-k', sockets, ...flags],
      {
        ...account,
        cwd: '/',
        // No variables of ours: PGPORT and similar ones would change the server, and it needs no secrets.
        env: { PATH: process.env.PATH, LC_ALL: 'C' },
        stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
        detached: true,
      },
    )
  let child: ChildProcess
  try {
    child = start()
  } catch (error) {
    // Node throws some shortages, and emits others as an event.
    onLog(couldNotStart(error))
    return { ended: Promise.resolve(), stop() {} }
  }
  if (child.stderr) createInterface(child.stderr).on('line', onLog)
  // A process that could not start for lack of descriptors has no pipes at all.
  const lifeline = child.stdio?.[3]
  const stop = () => {
    if (lifeline instanceof Writable) lifeline.destroy()
  }
  if (lifeline instanceof Writable) lifeline.on('error', () => undefined)
  return { ended: end(child, onLog).finally(stop), stop }
}

/** `exit`, not `close`: a server that outlives its shell keeps the log's pipe open. */
async function end(child: ChildProcess, onLog: (line: string) => void): Promise<void> {
  try {
    await once(child, 'exit')
  } catch (error) {
    onLog(couldNotStart(error))
  }
}

function couldNotStart(error: unknown): string {
  return `Postgres could not be started: ${error instanceof Error ? error.message : String(error)}`
}
