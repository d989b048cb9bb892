/** `sluice completion` in the real shells, as a person who presses Tab. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { runCommand } from '../../harness/command.js'
import { patient } from '../../harness/patience.js'
import { findProgram } from '../../harness/program.js'
import { temporaryFolder } from '../../harness/server.js'

const run = promisify(execFile)
const MAIN = fileURLToPath(new URL('../../../server/main.js', import.meta.url))

/** A command line up to the cursor, and what must be offered there. */
const CASES: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ['sluice to', ['token']],
  ['sluice key r', ['revoke', 'rotate']],
  ['sluice token --ro', ['--role']],
  ['sluice token --role ', ['admin', 'editor', 'runner', 'viewer']],
  ['sluice key create --role a', ['admin']],
  ['sluice watch-table --old c', ['changed']],
  ['sluice tail --context ', ['prod', 'staging']],
  ['sluice context use s', ['staging']],
  ['sluice completion z', ['zsh']],
]

/** Prints the offers for each line of the arguments, a line each. */
const BASH = `
source "$SCRIPT"
for line; do
  read -ra COMP_WORDS <<< "$line"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _sluice
  echo "\${COMPREPLY[*]}"
done`
const FISH = `
source $SCRIPT
for line in $argv
  string join -- ' ' (complete -C $line | string replace -r '\\t.*' '')
end
true`
/** An interactive zsh that notes what its completion is about to offer. ^G ends a line. */
const ZSHRC = `
PS1=; unset zle_bracketed_paste
autoload -Uz compinit; compinit -D -u
source "$SCRIPT"
compadd() {
  local -a kept
  builtin compadd -O kept "$@"
  (( $#kept )) && print -r -- "OFFER \${kept[*]}" >> "$OFFERS"
  builtin compadd "$@"
}
finish() { print LINE >> "$OFFERS"; BUFFER= }
zle -N finish
bindkey '^G' finish
bindkey '^T' complete-word
print READY > "$OFFERS"`
const ZSH = `
zmodload zsh/zpty
zpty -b shell zsh -i
while [[ ! -e $OFFERS ]]; do zpty -rt shell output; sleep 0.05; done
for line; do zpty -w -n shell "$line"$'\\x14\\x07'; done
while (( $(grep -c LINE "$OFFERS") < $# )); do zpty -rt shell output; sleep 0.05; done
zpty -d shell`

async function shellHome(t: Test, shell: string): Promise<Record<string, string>> {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
  await mkdir(join(folder, 'sluice'), { mode: 0o700 })
  const context = { url: 'https://sluice.example.com', token: 'a.b.c' }
  const contexts = { version: 1, current: 'prod', contexts: { prod: context, staging: context } }
  await writeFile(join(folder, 'sluice/contexts.json'), JSON.stringify(contexts), { mode: 0o600 })
  await writeFile(join(folder, '.zshrc'), ZSHRC)
  await writeFile(join(folder, 'script'), (await runCommand(['completion', shell])).out)
  const program = join(folder, 'bin/sluice')
  await mkdir(join(folder, 'bin'))
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`)
  await chmod(program, 0o755)
  return {
    ...{
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
      HOME: folder,
      XDG_CONFIG_HOME: folder,
      ZDOTDIR: folder,
    },
    ...{ SCRIPT: join(folder, 'script'), OFFERS: join(folder, 'offers'), TERM: 'dumb' },
  }
}

const skip = (shell: string) => findProgram([shell]) === undefined && `${shell} is not installed`
const lines = CASES.map(([line]) => line)
const wanted = CASES.map(([, offered]) => offered.join(' '))
const sorted = (offers: string) => offers.split(' ').toSorted().join(' ')

t.test('bash completes commands, options, values and contexts', { skip: skip('bash') }, async t => {
  const env = await shellHome(t, 'bash')

  const { stdout } = await run('bash', ['-c', BASH, 'bash', ...lines], { env, timeout: patient(30_000) })

  t.strictSame(stdout.trimEnd().split('\n').map(sorted), wanted)
})

t.test('fish completes commands, options, values and contexts', { skip: skip('fish') }, async t => {
  const env = await shellHome(t, 'fish')

  const { stdout } = await run('fish', ['--no-config', '-c', FISH, ...lines], {
    env,
    timeout: patient(30_000),
  })

  t.strictSame(stdout.trimEnd().split('\n').map(sorted), wanted)
})

t.test('zsh completes commands, options, values and contexts', { skip: skip('zsh') }, async t => {
  const env = await shellHome(t, 'zsh')

  await run('zsh', ['-f', '-c', ZSH, 'zsh', ...lines], { env, timeout: patient(60_000) })
  const { stdout } = await run('cat', [env.OFFERS ?? ''])

  const offers = stdout.split('LINE\n').slice(0, -1)
  const last = offers.map(text => [...text.matchAll(/^OFFER (.*)$/gm)].at(-1)?.[1] ?? '')
  t.strictSame(last.map(sorted), wanted)
})

t.test('an unknown shell is wrong usage', async t => {
  t.match(await runCommand(['completion', 'tcsh']), { code: 2, told: /bash, zsh, fish/ })
})
