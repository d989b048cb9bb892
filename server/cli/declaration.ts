/**
 * How a command is declared. A node of the tree is a command (`sluice tail`) or a noun that holds commands (`sluice key create`).
 * Each is loaded only when it is called, so that none pays for what another needs.
 */
import type { Environment, Options, Values } from './option.js'
import type { Terminal } from './terminal.js'

/** What a command gets when it is called; all its arguments are valid by then. */
export interface Call<O extends Options = Options> {
  readonly options: Values<O>
  /** As many as declared. */
  readonly args: readonly string[]
  readonly env: Environment
  readonly terminal: Terminal
  /**
   * Aborts with the first SIGINT, SIGTERM or SIGHUP. A command that has never called this ends by the signal itself; one that has
   * must end by itself when it aborts, and a second signal ends it at once.
   */
  interruption(): AbortSignal
}

export interface Argument {
  /** As in the usage, in capitals: `EVENT`. */
  readonly name: string
  readonly help: string
  readonly isOptional?: boolean
  /** The last argument only: it takes all that follow. */
  readonly isVariadic?: boolean
  /** What shells complete: these texts, or the names of contexts. Default: files. */
  readonly choices?: readonly string[] | 'contexts'
}

export interface Command<O extends Options = Options> {
  /** Sentences for `--help`, below the usage. */
  readonly description: string
  readonly args?: readonly Argument[]
  readonly options: O
  /** Command lines, each with an optional explanation behind `#`. */
  readonly examples: readonly string[]
  /** Further paragraphs for `--help`. */
  readonly notes?: string
  /** Such as `0 explained, 1 failed, 2 wrong usage`. */
  readonly exitCodes: string
  /**
   * @returns the exit code; undefined: 0.
   * @throws {UsageError} which is shown with the help; any other error is shown with its remedy.
   */
  run(call: Call<O>): Promise<number | undefined>
}

export interface Noun {
  readonly description: string
  readonly commands: readonly Entry[]
  readonly examples?: readonly string[]
  readonly notes?: string
  readonly exitCodes?: string
}

export type Declaration = Command | Noun

/** A node of the tree before it is loaded. */
export interface Entry {
  readonly name: string
  /** In lists of commands: a verb in lower case, without a dot. */
  readonly summary: string
  /** Its heading in the list of all commands. */
  readonly group?: string
  load(): Promise<Declaration> | Declaration
}

/** Infers the type of the options. */
export function command<O extends Options>(declared: Command<O>): Command<O> {
  return declared
}
