import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

/** Each program with arguments that it takes; only how it is called is looked at, so none gets to its work. */
const PROGRAMS = ['server/main.js key', 'scripts/sql.js', 'scripts/test.js', 'bench/run.js']

for (const program of PROGRAMS) {
  t.test(`${program} prints its usage on request, and with each usage error`, async t => {
    const { long, usage } = await ask(t, program)

    t.equal(usage, long)
  })
}

/** Their help would scroll the error away, so each says after it how to see the help. */
for (const command of ['serve', 'runner', 'tail']) {
  t.test(
    `sluice ${command} prints its usage on request, and how to see it with each usage error`,
    async t => {
      const { long, usage } = await ask(t, `server/main.js ${command}`)

      const [line = ''] = long.split('\n')
      t.equal(usage, `${line}\nAll options and examples: sluice ${command} --help\n`)
    },
  )
}

t.test('sluice without a command takes the options of serve, and shows all commands on request', async t => {
  const { long, usage } = await ask(t, 'server/main.js')

  t.match(long, /^Usage: sluice COMMAND\n/)
  t.match(usage, /^Usage: sluice serve \[options\]\nAll options and examples: sluice serve --help\n$/)
})

/** @returns the help of a program, and the text that follows its error for an unknown option. */
async function ask(t: Test, program: string) {
  const [long, short, unknown] = await Promise.all([
    run(program, '--help'),
    run(program, '-h'),
    run(program, '--dmeo'),
  ])
  t.match(long, { code: 0, stdout: /^Usage: \S/, stderr: '' })
  t.strictSame(short, long)
  t.match(unknown, { code: 2, stdout: '' })
  const [fault, empty, ...usage] = unknown.stderr.split('\n')
  t.match(fault, /^Unknown option ['"]--dmeo['"](?:\. Did you mean --demo\?)?\.?$/)
  t.equal(empty, '')
  return { long: long.stdout, usage: usage.join('\n') }
}

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(program: string, option: string): Promise<Outcome> {
  const [file = '', ...args] = program.split(' ')
  const path = fileURLToPath(new URL(`../../../${file}`, import.meta.url))
  const { PATH = '' } = process.env
  return new Promise(resolve => {
    execFile(process.execPath, [path, ...args, option], { env: { PATH } }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}
