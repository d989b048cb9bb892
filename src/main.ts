#!/usr/bin/env node
/**
 * The command line: `sluice [serve]` is a gateway, `sluice runner` executes the commands that wait in one. Each loads
 * only what it needs: a runner has no database and no server.
 */
const [program, ...args] = process.argv.slice(2)

if (program === 'runner') {
  const { runnerProgram } = await import('./runner/program.js')
  process.exit(await runnerProgram(args, process.env))
} else {
  const { serve } = await import('./serve.js')
  serve(program === 'serve' ? args : process.argv.slice(2))
}
