/** `sluice logout`: forgets a context with its credential. */
import { UsageError } from '../../../src/process/usage.js'
import { ContextFile, withoutContext } from '../contexts/context-file.js'
import { contextName } from '../contexts/context-name.js'
import { command } from '../declaration.js'

export const logoutCommand = command({
  description: `Removes a context with its credential; default: the current one. The credential itself stays valid: revoke a key with
sluice key revoke.`,
  args: [{ name: 'NAME', help: 'the context', isOptional: true }],
  options: {},
  examples: ['sluice logout', 'sluice logout prod'],
  exitCodes: '0 logged out, 1 failed, 2 wrong usage',
  async run({ args: [given], env, terminal }) {
    const file = new ContextFile(env, line => terminal.err.line(line))
    const { current } = await file.read()
    const name = given === undefined ? current : contextName(given, 'NAME')
    if (name === undefined) throw new UsageError('No context is in use. `sluice context list` shows all.')
    await file.change(contexts => withoutContext(contexts, name))
    await terminal.err.line(`The context ${name} is removed.`)
    return undefined
  },
})
