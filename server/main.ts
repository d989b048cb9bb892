#!/usr/bin/env node
/**
 * The command line: `sluice [serve]` runs a gateway, `sluice runner` executes the commands that wait in one,
 * `sluice key` creates and revokes API keys. Each loads only what it needs: a runner has no database and no server.
 */
const [program, ...args] = process.argv.slice(2)

if (program === 'runner') {
  const { runnerProgram } = await import('../src/runner/program.js')
  process.exit(await runnerProgram(args, process.env))
} else if (program === 'key') {
  const { keyCommand } = await import('./cli/key-command.js')
  process.exitCode = await keyCommand(args, process.env)
} else {
  const { serve } = await import('./serve.js')
  serve(program === 'serve' ? args : process.argv.slice(2))
}
