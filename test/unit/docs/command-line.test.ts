/** docs/command-line.md has every command of the program, with its summary and an example that its help has too. */
import t from 'tap'
import { COMMANDS } from '../../../server/cli/commands.js'
import type { Entry } from '../../../server/cli/declaration.js'
import { read } from '../../harness/document.js'

const PAGE = 'docs/command-line.md'

t.test('the table of commands is that of the program', async t => {
  const lines = await Promise.all(COMMANDS.map(lineOf))
  const [, table = ''] =
    /<!-- commands -->\n\n\|.*\n\|.*\n([\s\S]*?)\n<!-- \/commands -->/.exec(read(PAGE)) ?? []

  t.strictSame(table.trim().split('\n'), lines)
})

/** The first example whose explanation behind `#` is cut off. */
async function lineOf({ name, summary, load }: Entry): Promise<string> {
  const declaration = await load()
  const [first] = 'commands' in declaration ? declaration.commands : []
  const examples = declaration.examples?.length ? declaration.examples : (await first?.load())?.examples
  const example = examples?.[0]?.replace(/\s+#.*/, '').replaceAll('|', '\\|') ?? ''
  return `| \`${name}\` | ${summary} | \`${example}\` |`
}
