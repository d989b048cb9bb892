/** What shells complete at each node of the tree of commands, read from the declarations themselves. */
import type { Declaration, Entry } from '../declaration.js'
import { nameOf, type Option } from '../option.js'

/** Texts that can be listed; the names of contexts, which the script asks the program for; any text, such as a file; or no text. */
export type Completed = readonly string[] | 'contexts' | 'files' | 'nothing'

export interface CompletedOption {
  /** `--url`; a short form, if it has one, comes first: `-f`. */
  readonly names: readonly string[]
  readonly help: string
  readonly value: Completed
}

export interface CompletedNode {
  /** `sluice key create` */
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly summary: string }[]
  readonly options: readonly CompletedOption[]
  readonly argument: Completed
}

const HELP: CompletedOption = { names: ['-h', '--help'], help: 'show help', value: 'nothing' }

/** All nodes of the tree, from the root on. */
export async function completedNodes(commands: readonly Entry[], path = 'sluice'): Promise<CompletedNode[]> {
  const root = path === 'sluice' ? [VERSION] : []
  const node = { path, commands, options: [HELP, ...root], argument: 'nothing' as const }
  const below = await Promise.all(
    commands.map(async ({ name, load }) => await nodesOf(`${path} ${name}`, await load())),
  )
  return [node, ...below.flat()]
}

const VERSION: CompletedOption = { names: ['--version'], help: 'show the version', value: 'nothing' }

async function nodesOf(path: string, declaration: Declaration): Promise<CompletedNode[]> {
  if ('commands' in declaration) return await completedNodes(declaration.commands, path)
  const [argument] = declaration.args ?? []
  const options = Object.values(declaration.options).map(completedOption)
  return [
    {
      path,
      commands: [],
      options: [...options, HELP],
      argument: argument ? (argument.choices ?? 'files') : 'nothing',
    },
  ]
}

function completedOption({ form, help, choices }: Option<unknown>): CompletedOption {
  const takesValue = / [^-\s]/.test(form.replace(/^-\w, /, ''))
  const [short] = /^-\w(?=, )/.exec(form) ?? []
  const name = nameOf(form)
  return {
    names: short === undefined ? [name] : [short, name],
    help: help.split(/[:;(\n]/, 1)[0]?.trim() ?? '',
    value: !takesValue ? 'nothing' : name === '--context' ? 'contexts' : (choices ?? 'files'),
  }
}
