import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'

const BUNDLED = ['src', 'plugins', 'routes', 'server']

// A gateway that starts from an older bundle would run code that is no longer there.
t.test('the bundle from which the gateway starts is as new as the compiled files', async t => {
  const files = await Promise.all(
    BUNDLED.map(async folder => {
      const names = await readdir(join(packageRoot, 'dist', folder), { recursive: true })
      return names.filter(name => name.endsWith('.js')).map(name => join('dist', folder, name))
    }),
  )
  const changed = async (file: string) => (await stat(join(packageRoot, file))).mtimeMs
  const bundle = await changed('dist/server/serve.bundle.mjs')

  const newer: string[] = []
  for (const file of files.flat()) if ((await changed(file)) > bundle) newer.push(file)

  t.ok(files.flat().length > 200)
  t.strictSame(newer, [])
})
