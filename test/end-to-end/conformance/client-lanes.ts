/**
 * The clients of other people, by language: which toolchain a lane needs, and how its programs are made. All that
 * they need comes by lock file; what is built lies in `.build/`, so that a second run is quick.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../../src/process/package-root.js'

const run = promisify(execFile)
const sources = join(packageRoot, 'conformance/clients')
const built = join(packageRoot, '.build/clients')

export interface Client {
  /** As in docs/clients.md. */
  readonly name: string
  /** How it is started, but for the URL and the token. */
  readonly command: readonly [string, ...string[]]
}

export interface Lane {
  readonly language: string
  /** Whether `.ci/run` sees to the toolchain; a lane whose toolchain no Debian 12 has may be left out there. */
  readonly installed: boolean
  /** What this machine lacks, as a sentence; undefined when it has all. */
  missing(): string | undefined
  /** Compiles and installs; without a cache this downloads. */
  build(): Promise<Client[]>
}

const javascript: Lane = {
  language: 'JavaScript',
  installed: true,
  missing: () => undefined,
  async build() {
    const cwd = join(sources, 'javascript')
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd })
    return [
      'eventsource',
      'eventsource-client',
      'fetch-event-source',
      'event-source-polyfill',
      'launchdarkly-eventsource',
    ].map(name => ({ name, command: [process.execPath, join(cwd, 'main.mjs'), name] }))
  },
}

const python: Lane = {
  language: 'Python',
  installed: true,
  missing: () => older('python3', ['-c', 'import ensurepip, venv, sys; print(sys.version)'], '3.11'),
  async build() {
    const folder = join(built, 'python')
    const program = join(folder, 'bin/python')
    await run('python3', ['-m', 'venv', folder])
    const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--require-hashes']
    await run(program, [...pip, '--requirement', join(sources, 'python/requirements.txt')])
    return ['sseclient-py', 'httpx-sse', 'aiohttp-sse-client2'].map(name => ({
      name,
      command: [program, '-B', join(sources, 'python/main.py'), name],
    }))
  },
}

const go: Lane = {
  language: 'Go',
  installed: false,
  missing: () => older('go', ['env', 'GOVERSION'], '1.26'),
  async build() {
    const cwd = join(sources, 'go')
    const program = join(built, 'go/clients')
    await mkdir(join(built, 'go'), { recursive: true })
    await run('go', ['vet', '.'], { cwd })
    await run('go', ['build', '-o', program, '.'], { cwd })
    return ['go-sse', 'r3labs-sse', 'launchdarkly-eventsource'].map(name => ({
      name,
      command: [program, name],
    }))
  },
}

const java: Lane = {
  language: 'Java',
  installed: true,
  missing: () => older('javac', ['-version'], '17') ?? older('mvn', ['--batch-mode', '--version'], '3.6'),
  async build() {
    const folder = join(built, 'java')
    const paths = join(folder, 'classpath')
    const options = [`-Dbuild.folder=${folder}`, `-Dmdep.outputFile=${paths}`]
    const args = ['--quiet', '--batch-mode', ...options, 'compile', 'dependency:build-classpath']
    await run('mvn', args, { cwd: join(sources, 'java') })
    const classpath = `${join(folder, 'classes')}:${await readFile(paths, 'utf8')}`
    return ['okhttp-sse', 'okhttp-eventsource'].map(name => ({
      name,
      command: ['java', '-Xmx64m', '-XX:TieredStopAtLevel=1', '-classpath', classpath, 'Main', name],
    }))
  },
}

const rust: Lane = {
  language: 'Rust',
  installed: false,
  missing: () => older('cargo', ['--version'], '1.95'),
  async build() {
    const folder = join(built, 'rust')
    await run('cargo', ['build', '--quiet', '--locked', '--target-dir', folder], {
      cwd: join(sources, 'rust'),
    })
    return ['reqwest-eventsource', 'eventsource-client'].map(name => ({
      name,
      command: [join(folder, 'debug/clients'), name],
    }))
  },
}

export const lanes: readonly Lane[] = [rust, java, go, python, javascript]

/** What is wrong with a program that tells its version, when it is not there or older than `least`. */
function older(program: string, args: readonly string[], least: string): string | undefined {
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' })
  // Maven colours its output: what follows a bracket is no version.
  const [, major = '0', minor = '0'] = /(?<![\d[])(\d+)(?:\.(\d+))?/.exec(stdout ?? '') ?? []
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number)
  const enough = Number(major) > leastMajor || (Number(major) === leastMajor && Number(minor) >= leastMinor)
  return status === 0 && enough ? undefined : `${program} ${least} or later is not installed`
}
