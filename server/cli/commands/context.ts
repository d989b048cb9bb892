/** `sluice context`: the gateways of `sluice login`. */
import { ContextFile, type Contexts, contextNamed, withoutContext } from '../contexts/context-file.js'
import { contextName } from '../contexts/context-name.js'
import { command, type Noun } from '../declaration.js'
import type { Environment } from '../option.js'
import { flag } from '../option.js'
import { table } from '../table.js'
import type { Terminal } from '../terminal.js'

const EXIT_CODES = '0 done, 1 failed, 2 wrong usage'
const NAME = { name: 'NAME', help: 'the name of a context', choices: 'contexts' } as const

const listCommand = command({
  description: 'Lists the contexts; the current one has a star.',
  options: { json: flag('--json', 'print JSON') },
  examples: ['sluice context list'],
  exitCodes: EXIT_CODES,
  async run({ options: { json }, env, terminal: { out, err } }) {
    const { current, byName } = await fileOf(env, { out, err }).read()
    const rows = [...byName].map(([name, { url, token }]) => ({
      name,
      url,
      credential: kindOf(token),
      current: name === current,
    }))
    if (json) await out.write(`${JSON.stringify(rows)}\n`)
    else if (rows.length === 0) await err.line('There is no context. Make one with `sluice login`.')
    else
      await out.write(
        table(
          ['', 'NAME', 'URL', 'CREDENTIAL'],
          rows.map(row => [row.current ? '*' : '', row.name, row.url, row.credential]),
        ),
      )
    return undefined
  },
})

const useCommand = command({
  description: 'Makes a context the current one.',
  args: [NAME],
  options: {},
  examples: ['sluice context use prod'],
  exitCodes: EXIT_CODES,
  async run({ args: [given = ''], env, terminal }) {
    const name = contextName(given, 'NAME')
    const file = fileOf(env, terminal)
    const { url } = contextNamed(await file.read(), name)
    await file.change(contexts => ({ ...contexts, current: name }))
    await terminal.err.line(`The context ${name} (${url}) is in use now.`)
    return undefined
  },
})

const showCommand = command({
  description: 'Shows a context without its credential; default: the current one.',
  args: [{ ...NAME, isOptional: true }],
  options: { json: flag('--json', 'print JSON') },
  examples: ['sluice context show', 'sluice context show prod --json'],
  exitCodes: EXIT_CODES,
  async run({ options: { json }, args: [given], env, terminal }) {
    const file = fileOf(env, terminal)
    const contexts: Contexts = await file.read()
    const name = given ?? contexts.current ?? ''
    const { url, token } = contextNamed(contexts, name)
    const shown = {
      name,
      url,
      credential: kindOf(token),
      current: name === contexts.current,
      file: file.path,
    }
    if (json) await terminal.out.write(`${JSON.stringify(shown)}\n`)
    else
      for (const [field, value] of Object.entries(shown))
        await terminal.out.line(`${field.padEnd(12)}${value}`)
    return undefined
  },
})

const removeCommand = command({
  description: 'Removes a context with its credential, as sluice logout does.',
  args: [NAME],
  options: {},
  examples: ['sluice context remove prod'],
  exitCodes: EXIT_CODES,
  async run({ args: [given = ''], env, terminal }) {
    const name = contextName(given, 'NAME')
    await fileOf(env, terminal).change(contexts => withoutContext(contexts, name))
    await terminal.err.line(`The context ${name} is removed.`)
    return undefined
  },
})

export const contextNoun: Noun = {
  description: 'Shows and switches the gateways that sluice login has stored.',
  commands: [
    { name: 'list', summary: 'list the contexts', load: () => listCommand },
    { name: 'use', summary: 'make a context the current one', load: () => useCommand },
    { name: 'show', summary: 'show a context without its credential', load: () => showCommand },
    { name: 'remove', summary: 'remove a context with its credential', load: () => removeCommand },
  ],
  exitCodes: EXIT_CODES,
}

function fileOf(env: Environment, { err }: Terminal): ContextFile {
  return new ContextFile(env, line => err.line(line))
}

/** The credential itself is not shown. */
function kindOf(token: string): string {
  const [, id] = /^slk_([^_]+)_/.exec(token) ?? []
  if (id !== undefined) return `API key ${id}`
  return token.split('.').length === 3 ? 'token' : 'API key'
}
