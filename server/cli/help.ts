/** The help of a command, and of the program: what the library of the arguments shows, then examples, notes and exit codes. */
import { Command as Parser, Option as ParserOption } from 'commander'
import type { Argument, Declaration, Entry } from './declaration.js'
import { nameOf, type Option } from './option.js'

const MAX_WIDTH = 100

/**
 * A parser of the arguments of one node of the tree, which also writes its help.
 * @param path `sluice key create`. @param columns of the terminal.
 */
export function parserOf(path: string, declaration: Declaration, columns: number): Parser {
  const width = Math.min(columns, MAX_WIDTH)
  const parser = new Parser(path)
    .description(declaration.description.replace(/\s+/g, ' '))
    .helpOption('-h, --help', 'show this')
    .helpCommand(false)
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .configureHelp({
      helpWidth: width,
      optionTerm: ({ flags }) => flags.replace(/[<>]/g, ''),
      subcommandTerm: command => command.name(),
    })
  if ('commands' in declaration) {
    parser.usage('COMMAND')
    for (const entry of declaration.commands) parser.addCommand(stubOf(entry))
    return parser
  }
  const { args = [], options } = declaration
  parser.usage([...(Object.keys(options).length > 0 ? ['[options]'] : []), ...args.map(formOf)].join(' '))
  for (const argument of args) parser.argument(`[${argument.name}]`, argument.help)
  for (const option of Object.values(options)) parser.addOption(parserOption(option))
  return parser
}

export function helpOf(parser: Parser, declaration: Declaration, columns: number): string {
  const end = epilogue(declaration, Math.min(columns, MAX_WIDTH))
  return `${parser.helpInformation()}${end === '' ? '' : `\n${end}\n`}`
}

/** A command in the help of the node above it; it is not loaded. */
function stubOf({ name, summary, group }: Entry): Parser {
  const stub = new Parser(name).summary(summary).helpOption(false)
  return group === undefined ? stub : stub.helpGroup(`${group}:`)
}

function formOf({ name, isOptional = false, isVariadic = false }: Argument): string {
  const form = `${name}${isVariadic ? '…' : ''}`
  return isOptional ? `[${form}]` : form
}

function parserOption(option: Option<unknown>): ParserOption {
  const { form, isRepeatable, env, help } = option
  const notes = [
    ...(env === undefined ? [] : [`environment: ${env}`]),
    ...(isRepeatable ? ['may be repeated'] : []),
  ]
  const made = new ParserOption(flagsOf(form), notes.length === 0 ? help : `${help} (${notes.join('; ')})`)
  return made.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text])
}

/** `--types TYPES` as the parser wants it: `--types <TYPES>`. */
function flagsOf(form: string): string {
  const [flag, ...words] = form.split(' ')
  const argument = words.join(' ')
  return argument === '' || argument.startsWith('-') ? form : `${flag} <${argument}>`
}

/** The texts of an option that the parser has read. */
export function givenTexts(parser: Parser, option: Option<unknown>): readonly string[] {
  const name = nameOf(option.form)
  const read: unknown = parser.getOptionValue(new ParserOption(name).attributeName())
  if (Array.isArray(read)) return read.map(String)
  return read === !name.startsWith('--no-') ? [''] : []
}

function epilogue(declaration: Declaration, width: number): string {
  const { examples = [], notes, exitCodes } = declaration
  return [
    ...(examples.length > 0 ? [`Examples:\n${examples.map(line => `  ${line}`).join('\n')}`] : []),
    ...(notes === undefined ? [] : notes.split('\n\n').map(paragraph => wrapped(paragraph, width))),
    ...(exitCodes === undefined ? [] : [wrapped(`Exit codes: ${exitCodes}.`, width)]),
  ].join('\n\n')
}

/** A paragraph at this width; one with an indented line stays as it is. */
function wrapped(paragraph: string, width: number): string {
  if (/^ /m.test(paragraph)) return paragraph
  const lines: string[] = []
  for (const word of paragraph.split(/\s+/)) {
    const line = lines.at(-1)
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines.join('\n')
}
