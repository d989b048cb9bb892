/**
 * `sluice runner`: reads its arguments and variables, runs a runner, and stops it on a signal. The token comes only
 * from the environment, because everybody on the machine can see arguments.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { clean } from '../logging/redaction.js'
import { onStopSignals } from '../process/stop-signals.js'
import { UsageError, usageError } from '../process/usage.js'
import { commandEnvironment, TOKEN_VARIABLE } from './environment.js'
import { Executors } from './executors.js'
import { Gateway, GatewayAway, Refusal } from './gateway.js'
import { isRunnerRefused, Runner } from './runner.js'

const USAGE = `Usage: npm run runner -- --project NAME --dir PATH [options]      (or: node dist/server/main.js runner …)

Executes the commands that editors of a workspace submit to a project, with /bin/sh in the directory PATH, as the user that
starts it. Use a dedicated directory and a dedicated user: docs/runner.md describes the risks.

  --project NAME      the project whose jobs it claims
  --dir PATH          the directory in which commands run
  --concurrency N     number of concurrent jobs, 1 to 64 (1)
  --url URL           the gateway; default: SLUICE_URL, else http://127.0.0.1:8080
  --name NAME         the runner's name in jobs (host name and process id)
  --grace SECONDS     time for commands to finish after SIGTERM before they are handed back, 0 to 3600 (20)
  --lease SECONDS     other runners get its jobs if the gateway hears nothing for this long, 5 to 300 (30)
  --pass-env NAMES    further variables that commands get, such as CI,AWS_*; default: SLUICE_PASS_ENV
  --executor NAME=PROGRAM
                      runs the commands of projects with this executor by PROGRAM IMAGE COMMAND; may be repeated
  --help, -h          show this

The token, of role runner, is the environment variable SLUICE_TOKEN. Commands get PATH, HOME, USER, LOGNAME, SHELL, TERM,
TZ, TMPDIR, LANG, LANGUAGE and LC_* of the runner's environment, and nothing else. Exit codes: 0 stopped, 1 failed, 2 wrong usage.
`

type Environment = Readonly<Record<string, string | undefined>>

/** @returns the exit code: 0 stopped, 1 failed, 2 wrong usage. */
export async function runnerProgram(args: readonly string[], env: Environment): Promise<0 | 1 | 2> {
  try {
    const help = args.includes('--help') || args.includes('-h')
    const options = help ? undefined : optionsOf(args, env)
    if (options === undefined) {
      process.stdout.write(USAGE)
      return 0
    }
    const { url, token, executors, ...rest } = options
    const runner = new Runner({
      ...rest,
      gateway: new Gateway(url, token),
      executors: new Executors(executors),
      log: line => console.log(clean(line)),
    })
    // A second stop hurries it.
    onStopSignals({ stop: () => runner.stop(), insist: () => runner.stop() })
    await runner.run()
    return 0
  } catch (error) {
    const usage = error instanceof UsageError
    process.stderr.write(usage ? `${clean(error.message)}\n\n${USAGE}` : `${clean(explain(error))}\n`)
    return usage ? 2 : 1
  }
}

function optionsOf(args: readonly string[], env: Environment) {
  const values = parsed(args)
  const url = values.url ?? (env.SLUICE_URL || 'http://127.0.0.1:8080')
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError('--url must begin with http:// or https://.')
  }
  if (new URL(url).username !== '' || new URL(url).password !== '') {
    throw new UsageError('--url must hold neither a name nor a password. The token is SLUICE_TOKEN.')
  }
  const token = env[TOKEN_VARIABLE] ?? ''
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new UsageError('SLUICE_TOKEN is not set. It holds the token of a principal of role runner.')
  }
  return {
    url,
    token,
    project: required('project', values.project),
    dir: folder(required('dir', values.dir)),
    name: values.name ?? `${hostname()}-${process.pid}`,
    concurrency: integer('concurrency', values.concurrency, 1, 64, 1),
    graceMs: integer('grace', values.grace, 0, 3_600, 20) * 1_000,
    leaseMs: integer('lease', values.lease, 5, 300, 30) * 1_000,
    executors: programs(values.executor ?? []),
    env: commandEnvironment(env, values['pass-env'] ?? env.SLUICE_PASS_ENV ?? ''),
  }
}

function parsed(args: readonly string[]) {
  const option = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        project: option,
        dir: option,
        concurrency: option,
        url: option,
        name: option,
        grace: option,
        lease: option,
        'pass-env': option,
        executor: { type: 'string', multiple: true },
      },
    }).values
  } catch (error) {
    throw usageError(error)
  }
}

/** The programs of executors by their names. */
function programs(given: readonly string[]): Map<string, string> {
  const pairs = given.map(text => {
    const [, name, path] = /^([a-z][a-z0-9-]{0,31})=(\/.+)$/s.exec(text) ?? []
    if (name === undefined || path === undefined) {
      throw new UsageError(
        '--executor takes a name and the absolute path of a program: container=/usr/local/bin/in-container.',
      )
    }
    if (!isProgram(path)) throw new UsageError(`--executor: ${path} is not a program that can be executed.`)
    return [name, path] as const
  })
  return new Map(pairs)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function required(name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`--${name} is missing.`)
  return value
}

function folder(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`--dir: ${path} is not a folder.`)
  }
  return resolve(path)
}

function integer(name: string, text: string | undefined, least: number, most: number, otherwise: number) {
  if (text === undefined) return otherwise
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`--${name} must be a whole number from ${least} to ${most}.`)
}

function explain(error: unknown): string {
  if (error instanceof GatewayAway) {
    return `The gateway cannot be reached: ${error.message}. Check --url or SLUICE_URL, and that it runs.`
  }
  if (error instanceof Refusal) {
    const remedy = isRunnerRefused(error) ? ' Check SLUICE_TOKEN: it needs the role runner.' : ''
    return `The gateway refuses this runner (${error.status} ${error.code}). ${error.message}${remedy}`
  }
  return error instanceof Error ? error.message : String(error)
}
