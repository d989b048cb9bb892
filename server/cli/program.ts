/**
 * `sluice`: finds the command that the arguments name, loads only that one, reads its arguments with commander, and runs it.
 * One place for help, usage errors, exit codes, Ctrl-C and errors.
 */
import type { Command as Parser } from 'commander'
import { cleanLines } from '../../src/logging/redaction.js'
import { packageVersion } from '../../src/process/package-version.js'
import { UsageError } from '../../src/process/usage.js'
import { COMMANDS } from './commands.js'
import type { Command, Declaration, Noun } from './declaration.js'
import { ExitCode } from './exit-code.js'
import { failureOf } from './failure.js'
import { givenTexts, helpOf, parserOf } from './help.js'
import { Interruption } from './interruption.js'
import type { Environment } from './option.js'
import type { Terminal } from './terminal.js'
import { checkCount, usageFault } from './usage-fault.js'

const ROOT: Noun = {
  description:
    'An event gateway on Postgres, its runner and its clients. Without a command, sluice runs a gateway.',
  commands: COMMANDS,
  examples: [
    'sluice                  # run a gateway here, with a Postgres of its own',
    'sluice --demo           # the same, with a small stream of changes',
    'sluice help key create  # the options and examples of a command; also: sluice key create --help',
    'sluice --version',
  ],
  exitCodes:
    '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers, 130 Ctrl-C. The help of a command names its own',
}
/** The command of arguments that begin with an option. */
const DEFAULT = 'serve'

interface Found {
  /** `sluice key create` */
  readonly path: string
  readonly declaration: Declaration
  /** The arguments behind the path. */
  readonly rest: readonly string[]
}

/** @param args without the interpreter and the script. @returns the exit code. */
export async function runProgram(
  args: readonly string[],
  env: Environment,
  terminal: Terminal,
): Promise<number> {
  const [first = ''] = args
  if (['--version', '-V', '-v', 'version'].includes(first)) {
    await terminal.out.write(`sluice ${packageVersion()}\n`)
    return ExitCode.done
  }
  const found = await find(first === 'help' ? [...args.slice(1), '--help'] : args)
  const { declaration, rest, path } = found
  const parser = parserOf(path, declaration, terminal.out.columns)
  // The help of the whole program if the arguments name no command.
  const help = () =>
    first.startsWith('-') && found.path !== 'sluice'
      ? helpOf(parserOf('sluice', ROOT, terminal.out.columns), ROOT, terminal.out.columns)
      : helpOf(parser, declaration, terminal.out.columns)
  try {
    // A command that does not exist has no help.
    const [name = ''] = rest
    if (asksForHelp(rest) && 'commands' in declaration && !name.startsWith('-')) refuse(parser, [name])
    if (asksForHelp(rest)) {
      await terminal.out.write(help())
      return ExitCode.done
    }
    if ('commands' in declaration) return refuse(parser, rest)
    return await run(declaration, parser, { rest, env, terminal })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    // A list of commands answers the question; the help of a command would scroll the error away.
    const shown =
      'commands' in declaration ? help() : hintOf(path, helpOf(parser, declaration, terminal.out.columns))
    await terminal.err.write(`${cleanLines(error.message)}\n\n${shown}`)
    return ExitCode.usage
  }
}

/** Walks down the tree as far as the arguments name its nodes. */
async function find(args: readonly string[]): Promise<Found> {
  const [first] = args
  const isDefault = first === undefined || (first.startsWith('-') && !asksForHelp([first]))
  let found: Found = { path: 'sluice', declaration: ROOT, rest: isDefault ? [DEFAULT, ...args] : args }
  while ('commands' in found.declaration) {
    const [name, ...rest] = found.rest
    const entry = found.declaration.commands.find(one => one.name === name)
    if (!entry) break
    found = { path: `${found.path} ${entry.name}`, declaration: await entry.load(), rest }
  }
  return found
}

/** The usage of a command, and how to see the rest of its help. */
function hintOf(path: string, help: string): string {
  const [usage = ''] = help.split('\n\n', 1)
  return `${usage}\nAll options and examples: ${path} --help\n`
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).some(argument => argument === '--help' || argument === '-h')
}

/** The arguments name no command of a noun. */
function refuse(parser: Parser, rest: readonly string[]): never {
  if (rest.length === 0) throw new UsageError('No command given.')
  parse(parser, rest)
  throw new UsageError('No command given.')
}

function parse(parser: Parser, rest: readonly string[]): readonly string[] {
  try {
    return parser.parse([...rest], { from: 'user' }).args
  } catch (error) {
    throw usageFault(error)
  }
}

async function run(
  command: Command,
  parser: Parser,
  { rest, env, terminal }: { rest: readonly string[]; env: Environment; terminal: Terminal },
): Promise<number> {
  const args = parse(parser, rest)
  checkCount(args, command.args ?? [])
  const read = Object.entries(command.options).map(
    ([name, option]) => [name, option.read(givenTexts(parser, option), env)] as const,
  )
  const interruption = new Interruption()
  try {
    const call = { options: Object.fromEntries(read), args, env, terminal }
    const code = await command.run({ ...call, interruption: () => interruption.signal() })
    return code ?? interruption.exitCode ?? ExitCode.done
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (interruption.exitCode !== undefined) return interruption.exitCode
    const { text, exitCode } = failureOf(error)
    await terminal.err.line(text)
    return exitCode
  }
}
