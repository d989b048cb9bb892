/** An environment of Python with the client as it would be published, and with what its tests need, by hashes. */
import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../../../src/process/package-root.js'

export const sources = join(packageRoot, 'clients/python')

/** What this machine lacks; false when it has all. */
export const withoutPython =
  spawnSync('python3', ['-c', 'import ensurepip, venv, sys; assert sys.version_info >= (3, 10)']).status !==
    0 && 'Python 3.10 or later is missing (apt-get install python3-venv)'

export interface PythonEnvironment {
  /** The interpreter. */
  readonly python: string
  /** Runs a program in the folder of the client. @throws {Error} with all that it wrote, if it fails. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
}

/**
 * Installs into `.build/clients/<name>`, which a second run finds; without a cache this downloads.
 * @param interpreter the Python that it is made of.
 */
export async function pythonEnvironment(name: string, interpreter = 'python3'): Promise<PythonEnvironment> {
  const folder = join(packageRoot, '.build/clients', name)
  const python = join(folder, 'bin/python')
  const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    await execute(python, args, env)
  await execute(interpreter, ['-m', 'venv', folder])
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet']
  await run([...pip, '--require-hashes', '--requirement', 'requirements.txt'])
  await run([...pip, '--no-deps', '--no-build-isolation', '--force-reinstall', sources])
  return { python, run }
}

async function execute(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const options = {
    cwd: sources,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
    maxBuffer: 2 ** 26,
  }
  try {
    return (await promisify(execFile)(file, args, options)).stdout
  } catch (error) {
    const { stdout, stderr } = Object(error)
    throw new Error(`${file} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}
