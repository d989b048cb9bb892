/**
 * The commands of the README and of docs/first-steps.md run here in their order, in one shell. A `text` fence must be the output
 * of the commands before it; a `text stream` fence must appear in the open stream.
 */
import t from 'tap'
import { fences, read, section } from '../../harness/document.js'
import { masked, openShell, startNewcomersGateway } from '../../harness/newcomer.js'
import { findProgram } from '../../harness/program.js'

const skip = findProgram(['curl']) === undefined ? 'needs curl' : false

for (const [page, heading, least] of [
  ['README.md', '## Sixty seconds to the first event', 3],
  ['docs/first-steps.md', '## In a terminal', 18],
] as const) {
  t.test(`the commands of ${page} do what the page says`, { skip }, async t => {
    const steps = fences(section(read(page), heading)).filter(({ text }) => !text.includes('npm start'))
    const shell = openShell(t, await startNewcomersGateway(t))

    for (const { info, text } of steps) {
      if (info === 'sh') await shell.type(text)
      else if (info === 'text stream') await shell.seesInStream(text)
      else t.equal(masked(shell.output()), masked(text))
    }

    t.ok(steps.length >= least)
  })
}
