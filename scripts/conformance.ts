/** `npm run conformance -- NAME`: runs one of the tests in test/end-to-end/conformance/, such as durable-streams. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../src/process/package-root.js'

const folder = 'test/end-to-end/conformance'
const SUFFIX = '.test.ts'
const names = readdirSync(join(packageRoot, folder)).flatMap(file =>
  file.endsWith(SUFFIX) ? file.slice(0, -SUFFIX.length) : [],
)
const [name = '', ...more] = process.argv.slice(2)
if (names.includes(name)) {
  const file = `${folder}/${name}${SUFFIX}`
  const args = [join(packageRoot, 'dist/scripts/test.js'), '--system', file, ...more]
  spawn(process.execPath, args, { stdio: 'inherit' }).once('exit', status => {
    process.exitCode = status ?? 1
  })
} else {
  console.error(`Usage: npm run conformance -- NAME. The names are ${names.join(', ')}.`)
  process.exitCode = 2
}
