/**
 * `sluice runner`: reads its arguments and variables, runs a runner, and stops it on a signal. The token comes only
 * from the environment, because everybody on the machine can see arguments.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { clean } from '../../../src/logging/redaction.js'
import { onStopSignals } from '../../../src/process/stop-signals.js'
import { UsageError } from '../../../src/process/usage.js'
import { commandEnvironment, TOKEN_VARIABLE } from '../../../src/runner/environment.js'
import { byProgram, type ExecutorFor, Executors } from '../../../src/runner/executors.js'
import { Gateway, GatewayAway, Refusal } from '../../../src/runner/gateway.js'
import type { KubernetesExecutors } from '../../../src/runner/kubernetes/kubernetes-executor.js'
import { isRunnerRefused, Runner } from '../../../src/runner/runner.js'
import { command } from '../declaration.js'
import { ExitCode, Failure } from '../exit-code.js'
import { gatewayUrl } from '../gateway-url.js'
import { integer, required, text, value, valueOr, values } from '../option.js'

const DEFAULT_URL = 'http://127.0.0.1:8080'

export const runnerCommand = command({
  description: `Executes the commands that editors of a workspace submit to a project, with /bin/sh in the directory PATH, as the
user that starts it. Use a dedicated directory and a dedicated user: docs/runner.md describes the risks.`,
  options: {
    project: required('--project NAME', 'the project whose jobs it claims', { parse: text }),
    dir: required('--dir PATH', 'the directory in which commands run', { parse: folder }),
    concurrency: valueOr('--concurrency N', 'number of concurrent jobs, 1 to 64 (1)', 1, {
      parse: integer(1, 64),
    }),
    url: valueOr('--url URL', `the gateway (${DEFAULT_URL})`, DEFAULT_URL, {
      parse: gatewayUrl,
      env: 'SLUICE_URL',
    }),
    name: value('--name NAME', "the runner's name in jobs (host name and process id)", { parse: text }),
    grace: valueOr(
      '--grace SECONDS',
      'time for commands to finish after SIGTERM before they are handed back, 0 to 3600 (20)',
      20,
      { parse: integer(0, 3_600) },
    ),
    lease: valueOr(
      '--lease SECONDS',
      'other runners get its jobs if the gateway hears nothing for this long, 5 to 300 (30)',
      30,
      { parse: integer(5, 300) },
    ),
    passEnv: value('--pass-env NAMES', 'further variables that commands get, such as CI,AWS_*', {
      parse: given => given,
      env: 'SLUICE_PASS_ENV',
    }),
    executors: values(
      '--executor NAME=PLACE',
      'runs the commands of projects with this executor by a program (PLACE is its path, called with IMAGE COMMAND), or in pods ' +
        '(PLACE is kubernetes, or kubernetes:FILE with a CommandPod)',
      executor,
    ),
  },
  examples: [
    'SLUICE_TOKEN=slk_… sluice runner --project site --dir /srv/site',
    'sluice runner --project site --dir /srv/site --concurrency 4 --pass-env CI,AWS_*',
    'sluice runner --project site --dir /tmp --executor local=kubernetes:/etc/sluice/command-pod.yaml',
  ],
  notes: `The token, of role runner, is the environment variable SLUICE_TOKEN; contexts of sluice login are not used. Commands get PATH,
HOME, USER, LOGNAME, SHELL, TERM, TZ, TMPDIR, LANG, LANGUAGE and LC_* of the runner's environment, and nothing else.`,
  exitCodes: '0 stopped, 1 failed, 2 wrong usage',
  async run({ options, env }) {
    const { executors, passEnv = '', grace, lease, url, ...rest } = options
    const name = rest.name ?? `${hostname()}-${process.pid}`
    const log = (line: string) => console.log(clean(line))
    const clusters: KubernetesExecutors[] = []
    const places = new Map<string, ExecutorFor>()
    const closeAll = () => Promise.all(clusters.map(cluster => cluster.close()))
    for (const [executor, place] of executors) {
      if (place.startsWith('/')) places.set(executor, byProgram(place))
      else {
        const cluster = await clusterAt(place, name, log)
        clusters.push(cluster)
        places.set(executor, image => cluster.with(image))
      }
    }
    const runner = new Runner({
      ...rest,
      name,
      graceMs: grace * 1_000,
      leaseMs: lease * 1_000,
      env: commandEnvironment(env, passEnv),
      gateway: new Gateway(url, tokenOf(env[TOKEN_VARIABLE])),
      executors: new Executors(places),
      log,
    })
    // A second stop hurries it.
    onStopSignals({ stop: () => runner.stop(), insist: () => runner.stop() })
    try {
      await runner.run()
    } catch (error) {
      throw new Failure(explain(error))
    } finally {
      await closeAll()
    }
    // Whatever a command has left open must not keep the runner.
    process.exit(ExitCode.done)
  },
})

function tokenOf(token = ''): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new UsageError(
    'SLUICE_TOKEN is not set. It holds a token or an API key of role runner. `sluice token --sub NAME --role runner` signs one for a development gateway, `sluice key create --role runner` makes a key.',
  )
}

function folder(path: string): string {
  let isFolder = false
  try {
    isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
    if (isFolder) accessSync(path, constants.X_OK)
  } catch (error) {
    const why = error instanceof Error ? error.message : error
    throw new UsageError(
      `--dir: ${path} cannot be used (${why}). Give the runner's user the right to enter it.`,
    )
  }
  if (!isFolder) throw new UsageError(`--dir: ${path} is not a folder.`)
  return resolve(path)
}

/** The name of an executor and its place. */
function executor(given: string): readonly [name: string, place: string] {
  const [, name, place] = /^([a-z][a-z0-9-]{0,31})=(\/.+|kubernetes(?::.+)?)$/s.exec(given) ?? []
  if (name === undefined || place === undefined) {
    throw new UsageError(
      '--executor takes a name and the absolute path of a program, or kubernetes: container=/usr/local/bin/in-container, ' +
        'pod=kubernetes, pod=kubernetes:/etc/sluice/command-pod.yaml.',
    )
  }
  if (place.startsWith('/') && !isProgram(place)) {
    throw new UsageError(`--executor: ${place} is not a program that can be executed.`)
  }
  return [name, place]
}

/** @param place `kubernetes` or `kubernetes:FILE`. */
async function clusterAt(place: string, runner: string, log: (line: string) => void) {
  // Loaded only here: a runner on its own machine needs none of it.
  const { KubernetesExecutors } = await import('../../../src/runner/kubernetes/kubernetes-executor.js')
  const file = place.slice('kubernetes:'.length) || undefined
  return await KubernetesExecutors.connect({ file, runner, log }).catch(error => {
    throw error instanceof UsageError ? error : new Failure(`--executor: ${explain(error)}`)
  })
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
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
