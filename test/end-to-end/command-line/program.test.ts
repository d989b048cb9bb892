import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runCommand } from '../../harness/command.js'

const COMPILED = fileURLToPath(new URL('../../..', import.meta.url))

/** The compiled files and the packages that are loaded with a file, without those that it loads only when they are needed. */
function loadedWith(start: string): string[] {
  const loaded = new Set([start])
  for (const name of loaded) {
    if (!name.endsWith('.js')) continue
    const code = readFileSync(join(COMPILED, name), 'utf8')
    for (const [, from = ''] of code.matchAll(/^(?:import|export) (?:[^'"()]* from )?'([^']+)'/gm)) {
      const path = join(COMPILED, dirname(name), from)
      loaded.add(from.startsWith('.') ? relative(COMPILED, path) : from)
    }
  }
  return [...loaded]
}

t.test('a command is loaded only when it is called, and a runner loads no server', async t => {
  const program = loadedWith('server/cli/program.js')
  const runner = loadedWith('server/cli/commands/runner.js')

  t.ok(program.includes('server/cli/commands.js') && program.includes('commander'))
  t.ok(runner.includes('src/runner/runner.js'))
  t.strictSame(
    program.filter(name =>
      /^(server\/cli\/commands|clients|plugins|routes)\/|fastify|^pg$|typebox/.test(name),
    ),
    [],
  )
  t.strictSame(
    runner.filter(name => /^(plugins|routes|src\/database)\/|^server\/[\w-]+\.js$|fastify|^pg$/.test(name)),
    [],
  )
})

t.test('help, version and unknown commands', async t => {
  const [help, short, version, key, same, similar, unknown, noun, option, helped, helpless] =
    await Promise.all(
      [
        ['--help'],
        ['help'],
        ['-V'],
        ['help', 'key', 'create'],
        ['key', 'create', '-h'],
        ['tial'],
        ['quux'],
        ['context', 'rm'],
        ['login', '--name'],
        ['help', 'quux'],
        ['item', 'quux', '--help'],
      ].map(args => runCommand(args)),
    )

  t.match(help, { code: 0, told: '', out: /^Usage: sluice COMMAND\n/ })
  t.match(
    help?.out,
    /^Use a gateway:\n {2}tail +[\s\S]*^ {2}publish +[\s\S]*^Administer a gateway:\n[\s\S]* {2}key +/m,
  )
  t.strictSame(short, help)
  t.match(version, { code: 0, out: /^sluice \d+\.\d+\.\d+\S*\n$/ })
  t.match(key, {
    code: 0,
    out: /^Usage: sluice key create \[options\]\n[\s\S]*--expires TIME [\s\S]*\nExamples:\n {2}sluice key create /,
  })
  t.strictSame(same, key)
  t.match(similar, {
    code: 2,
    out: '',
    told: /^Unknown command "tial"\. Did you mean tail\?\n\nUsage: sluice COMMAND\n/,
  })
  t.match(unknown, { code: 2, told: /^Unknown command "quux"\.\n/ })
  t.match(helped, { code: 2, out: '', told: /^Unknown command "quux"\.\n/ })
  t.match(helpless, { code: 2, out: '', told: /^Unknown command "quux"\.\n/ })
  t.match(noun, { code: 2, told: /^Unknown command "rm"\..*\n\nUsage: sluice context COMMAND\n/ })
  t.match(option, {
    code: 2,
    told: /^The option --name NAME needs a value\.\n\nUsage: sluice login \[options\]\nAll options and examples: sluice login --help\n$/,
  })
})
