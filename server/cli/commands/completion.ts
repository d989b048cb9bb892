/** `sluice completion`: a script that completes commands, options, values and names of contexts in a shell. */
import { bashScript } from '../completion/bash-script.js'
import { completedNodes } from '../completion/completed-node.js'
import { fishScript } from '../completion/fish-script.js'
import { zshScript } from '../completion/zsh-script.js'
import { ContextFile } from '../contexts/context-file.js'
import { command, type Entry } from '../declaration.js'
import { oneOf } from '../option.js'

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const
const SHELLS = ['bash', 'zsh', 'fish'] as const

/** @param commands the whole tree, this command with it. */
export function completionOf(commands: () => readonly Entry[]) {
  return command({
    description: `Prints a script that completes commands, options, their values and the names of contexts. It is made from the commands of
this version: print it again after an update, or source it at the start of the shell.`,
    args: [{ name: 'SHELL', help: 'bash, zsh or fish', choices: SHELLS }],
    options: {},
    examples: [
      'source <(sluice completion bash)          # in ~/.bashrc',
      'source <(sluice completion zsh)           # in ~/.zshrc, after compinit',
      'sluice completion fish | source           # in ~/.config/fish/config.fish',
    ],
    exitCodes: '0 done, 1 failed, 2 wrong usage',
    async run({ args: [given = ''], env, terminal }) {
      // The scripts ask for the names at each completion of a context.
      if (given === 'contexts') {
        const { byName } = await new ContextFile(env, async () => undefined).read()
        await terminal.out.write([...byName.keys()].map(name => `${name}\n`).join(''))
        return undefined
      }
      const shell = oneOf(SHELLS)(given, 'SHELL')
      await terminal.out.write(SCRIPTS[shell](await completedNodes(commands())))
      return undefined
    },
  })
}
