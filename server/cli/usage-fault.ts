/** The fault of the arguments, in one sentence for a person. */
import { CommanderError } from 'commander'
import { UsageError } from '../../src/process/usage.js'
import type { Argument } from './declaration.js'

/** Anything else may be a key that was pasted in the wrong place, and is not repeated. */
const COMMAND_NAME = /^[a-zA-Z-]{1,20}$/

/** An error of the parser as ours; any other error stays as it is. */
export function usageFault(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error
  const text = error.message.replace(/^error: /, '')
  // Without the value of an option, which may be a secret.
  const [, name = ''] = /'([^'=]*)/.exec(text) ?? []
  const [, similar] = text.split('(Did you mean ')
  const suggestion =
    similar === undefined ? '' : ` Did you mean ${similar.replace('one of ', '').replace('?)', '')}?`
  if (error.code === 'commander.unknownCommand') {
    const shown = COMMAND_NAME.test(name) ? ` ${JSON.stringify(name)}` : ''
    return new UsageError(`Unknown command${shown}.${suggestion}`)
  }
  if (error.code === 'commander.unknownOption') {
    return new UsageError(`Unknown option '${name}'.${suggestion}`)
  }
  if (error.code === 'commander.optionMissingArgument') {
    return new UsageError(`The option ${name.replace(/[<>]/g, '')} needs a value.`)
  }
  return new UsageError(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`)
}

/** The message does not repeat the arguments, which may be a whole key. @throws {UsageError} */
export function checkCount(given: readonly string[], args: readonly Argument[]): void {
  const needed = args.filter(({ isOptional }) => !isOptional)
  const isOpen = args.at(-1)?.isVariadic === true
  const [only, ...others] = args
  const tooMany = !isOpen && given.length > args.length
  if (given.length >= needed.length && !tooMany) return
  if (only && others.length === 0 && !isOpen && needed.length === 1) {
    throw new UsageError(
      `${tooMany ? 'Too many arguments. ' : ''}Expected exactly one argument: ${only.help}.`,
    )
  }
  if (tooMany) throw new UsageError('Too many arguments.')
  const missing = needed[given.length]
  throw new UsageError(`${missing?.name} is missing: ${missing?.help}.`)
}
