import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** Each program with arguments that it takes; only how it is called is looked at, so none gets to its work. */
const PROGRAMS = [
  'server/main.js',
  'server/main.js serve',
  'server/main.js runner',
  'server/main.js key',
].concat(['scripts/sql.js', 'scripts/test.js', 'bench/run.js'])

for (const program of PROGRAMS) {
  t.test(`${program} prints its usage on request, and with each usage error`, async t => {
    const [long, short, unknown] = await Promise.all([
      run(program, '--help'),
      run(program, '-h'),
      run(program, '--dmeo'),
    ])

    t.match(long, { code: 0, stdout: /^Usage: \S/, stderr: '' })
    t.strictSame(short, long)
    t.match(unknown, { code: 2, stdout: '' })
    const [fault, empty, ...usage] = unknown.stderr.split('\n')
    t.match(fault, /^Unknown option ['"]--dmeo['"]$/)
    t.equal(empty, '')
    t.equal(usage.join('\n'), long.stdout)
  })
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
