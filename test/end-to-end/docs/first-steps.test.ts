/**
 * What the README tells a newcomer to do first is done here, in its order, and what it shows as the answer must come:
 * in a `text` fence that of the last commands, in a `text stream` fence that of the open stream.
 */
import t from 'tap'
import { fences, read, section } from '../../harness/document.js'
import { masked, openShell, startNewcomersGateway } from '../../harness/newcomer.js'
import { findProgram } from '../../harness/program.js'

const skip = findProgram(['curl']) === undefined ? 'needs curl' : false
const steps = fences(section(read('README.md'), '## First steps'))

t.test('the first steps do what the README says', { skip }, async t => {
  const shell = openShell(t, await startNewcomersGateway(t))

  for (const { info, text } of steps) {
    if (info === 'sh') await shell.type(text)
    else if (info === 'text stream') await shell.seesInStream(text)
    else t.equal(masked(shell.output()), masked(text))
  }

  t.ok(steps.length > 15)
})
