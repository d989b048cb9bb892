import t from 'tap'
import { gatewayEnvironment } from '../../harness/command-line.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { startProgram } from '../../harness/process.js'

t.test('the usage of a workspace is shown beside its limits', async t => {
  const gateway = await startGateway(t, { env: { MAX_EVENTS_PER_WORKSPACE: '9' } })
  await publish(gateway, { type: 'thing.made', data: {} })
  await gateway.app.usageCount.count()
  const usage = (role: 'admin' | 'editor') =>
    startProgram(t, { args: ['usage'], env: gatewayEnvironment(gateway.url, role) })

  const [shown, refused] = [usage('admin'), usage('editor')]

  await shown.until(/^acme, counted \S+ s ago\n\s+STORED\s+LIMIT\nevents\s+1\s+9\nbytes\s+\d+\s+unlimited\n/)
  t.strictSame([await shown.ended(), await refused.ended()], [0, 3])
})
