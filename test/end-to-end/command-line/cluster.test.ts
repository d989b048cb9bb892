import t from 'tap'
import { gatewayEnvironment } from '../../harness/command-line.js'
import { createDatabase } from '../../harness/database.js'
import { startProcess, startProgram } from '../../harness/process.js'

t.test('a watch of the cluster goes on while its gateway is away, and ends with Ctrl-C', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })
  const { url, port } = gateway
  const args = ['cluster', '--watch', '1', '--json']

  const watch = startProgram(t, { args, env: gatewayEnvironment(url, 'admin') })
  await watch.until(/^\{"url":"http\S+","mode":"normal",.*"nodes":\[\{.*\]\}$/m)
  await gateway.kill()
  await watch.until(/^No gateway answers at http\S+ \(ECONNREFUSED\)\./m)
  await startProcess(t, { databaseUrl, port })
  await watch.until(/^No gateway answers[\s\S]*\n\{"url":.*"status":"ready"/m)
  watch.signal('SIGINT')

  t.equal(await watch.ended(), 130)
})
