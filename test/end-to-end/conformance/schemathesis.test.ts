/**
 * The gateway does what the description of its API says, for callers of each role, one with grants and one without credentials:
 * schemathesis sends valid and invalid requests to every route, by day always the same ones. By night there are more of them.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { ROLES } from '../../../src/auth/principal.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { startGateway } from '../../harness/gateway.js'
import { byNight } from '../../harness/nightly.js'
import { patienceSignal } from '../../harness/patience.js'
import { seedOfRun } from '../../harness/seed.js'
import { bearer, token } from '../../harness/tokens.js'

const sources = join(packageRoot, 'conformance/schemathesis')
const built = join(packageRoot, '.build/schemathesis')
const python = join(built, 'bin/python')
const document = join(built, 'openapi.json')
const skip =
  spawnSync('python3', ['-c', 'import ensurepip, venv']).status !== 0 &&
  'Python is missing (apt-get install python3-venv)'

/** Ends a run that hangs. */
const LONGEST_MS = byNight(480_000, 3_600_000)
/** Random requests for each route, valid and invalid ones. Each night has others, so nights add up. */
const EXAMPLES = byNight(4, 20)
/** The edges of all parameters are five thousand requests. By day from those callers who get furthest: others are refused before. */
const AT_THE_EDGES = byNight(/^(admin|runner|granted)$/, /./)
const GRANTS = {
  subscribe: ['orders/*', 'project/website/*'],
  publish: ['orders/*'],
  types: ['order.*', 'job.*', 'output'],
}

const CALLERS: readonly { readonly name: string; readonly claims: object | undefined }[] = [
  ...ROLES.map(role => ({ name: role, claims: { role } })),
  { name: 'granted', claims: { role: 'editor', sluice: GRANTS } },
  { name: 'none', claims: undefined },
]

const seed = seedOfRun(1)
const title = `requests of every kind are answered as the description says (SLUICE_SEED=${seed})`

t.test(title, { skip, timeout: 0 }, async t => {
  const gateway = await startGateway(t, {
    env: {
      // A stream without an end gets one.
      MAX_STREAM_AGE: '1',
      // Nobody here may switch maintenance on, which would refuse all that follows.
      OPERATOR_WORKSPACE: 'operators',
    },
  })
  await install()
  await writeFile(document, await (await fetch(`${gateway.url}/openapi.json`)).text())

  // Not several workers in one run: threads of Python 3.11 break each other's parser of Python.
  t.jobs = 2
  for (const { name, claims } of CALLERS) {
    t.test(`from a caller: ${name}`, { buffered: true }, async t => {
      await endJobs(gateway.url, name)
      const credentials = claims && token({ ...claims, sub: `caller-${name}`, workspace: name })
      const { failed, output } = await test(gateway.url, credentials, AT_THE_EDGES.test(name))

      t.notOk(failed, output)
      t.match(output, /[1-9]\d* generated/)
    })
  }
})

async function install(): Promise<void> {
  const run = promisify(execFile)
  await mkdir(built, { recursive: true })
  await run('python3', ['-m', 'venv', built])
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet']
  await run(python, [...pip, '--requirement', join(sources, 'requirements.txt')])
}

/** The jobs whose streams schemathesis.toml names. */
async function endJobs(url: string, workspace: string): Promise<void> {
  const post = async (path: string, body: object) => {
    const headers = { ...bearer(token({ role: 'editor', workspace })), 'content-type': 'application/json' }
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  }
  await post('/api/jobs', { id: 'ended-job', kind: 'run', project: 'website', started: true })
  await post('/api/jobs/ended-job/events', { type: 'log', data: { line: 'Collecting tests' } })
  await post('/api/jobs/ended-job/complete', {})
  await post('/projects/website/shell', { id: 'ended-command', command: 'npm test' })
  await post('/api/jobs/ended-command/cancel', {})
  await post('/api/executions', { executionId: 'ended-execution' })
  await post('/api/executions/ended-execution/events', {
    type: 'execution-complete',
    data: { status: 'success' },
  })
}

function test(
  url: string,
  credentials: string | undefined,
  atTheEdges: boolean,
): Promise<{ failed: boolean; output: string }> {
  const args = [
    ...['-m', 'schemathesis.cli', '--config-file', join(sources, 'schemathesis.toml')],
    ...['run', document, '--url', url, '--no-color', `--seed=${seed}`, `--max-examples=${EXAMPLES}`],
    `--phases=${atTheEdges ? 'examples,coverage,fuzzing' : 'examples,fuzzing'}`,
    ...(credentials === undefined ? [] : ['--header', `Authorization: Bearer ${credentials}`]),
  ]
  const env = { ...process.env, SCHEMATHESIS_HOOKS: join(sources, 'hooks.py'), PYTHONDONTWRITEBYTECODE: '1' }
  const options = { cwd: built, env, signal: patienceSignal(LONGEST_MS), maxBuffer: 2 ** 26 }
  return new Promise(resolve => {
    execFile(python, args, options, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: stdout + stderr })
    })
  })
}
