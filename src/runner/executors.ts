/**
 * Where a runner runs commands. `local`, a shell on this machine, runs all commands whose project names no executor. Further
 * executors are Kubernetes (kubernetes/) and programs of the operator, which start the command elsewhere, such as in a container:
 *
 *   PROGRAM IMAGE COMMAND
 *
 * A program runs in the runner's directory, with the runner's variables; those of the command it gets under names with a prefix.
 * Otherwise an editor could set variables that change the program itself, such as PATH or DOCKER_HOST.
 */
import type { Execution, Executor } from './executor.js'
import { LocalExecutor } from './local-executor.js'

const LOCAL = 'local'
const PREFIX = 'SLUICE_ENV_'

/** Where a project wants its commands to run; older gateways do not name a place. */
export interface Place {
  readonly executor?: string | null
  readonly image?: string | null
}

/** An executor of the operator, for the project's image. */
export type ExecutorFor = (image: string | undefined) => Executor

export class Executors {
  readonly #others: ReadonlyMap<string, ExecutorFor>

  /** @param others by their names. One of the name `local` replaces the shell. */
  constructor(others: ReadonlyMap<string, ExecutorFor> = new Map()) {
    this.#others = others
  }

  /** @throws {Error} if this runner cannot run commands there. */
  at({ executor, image }: Place): Executor {
    const name = executor ?? LOCAL
    const other = this.#others.get(name)
    if (image?.startsWith('-'))
      throw new Error(`The image ${image} would be an option of a program. Change the project.`)
    if (other !== undefined) return other(image ?? undefined)
    if (name !== LOCAL) {
      throw new Error(
        `The project names the executor ${name}, which this runner does not have. Start a runner with --executor ` +
          `${name}=PROGRAM, or change the project.`,
      )
    }
    if (typeof image === 'string') {
      throw new Error(
        `The project names the image ${image}, but the executor ${LOCAL} of this runner uses none. Name another executor in ` +
          'the project, or remove the image.',
      )
    }
    return new LocalExecutor()
  }
}

/** @param program its path. */
export function byProgram(program: string): ExecutorFor {
  return (image = '') => {
    const executor = new LocalExecutor({ argumentsOf: command => [program, image, command] })
    return {
      run: (command, { variables = {}, ...execution }: Execution) =>
        executor.run(command, { ...execution, variables: prefixed(variables) }),
    }
  }
}

function prefixed(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [PREFIX + name, value]))
}
