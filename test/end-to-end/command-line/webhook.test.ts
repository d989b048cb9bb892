import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { gatewayEnvironment } from '../../harness/command-line.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { startHostileReceiver } from '../../harness/hostile-receiver.js'

t.test(
  'a webhook from its creation to its end; a secret is alone on standard output, and shown once',
  async t => {
    const { url } = await startGateway(t, { env: { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' } })
    const receiver = await startHostileReceiver(t)
    const env = gatewayEnvironment(url, 'admin')
    const webhook = (...args: string[]) => runCommand(['webhook', ...args], env)
    const [event = ''] = await publish({ url }, { type: 'note', data: {} })

    const settings = [
      '--types',
      'note,item.*',
      '--where',
      'data.n gt 1',
      '--description',
      'Billing',
      '--paused',
    ]
    const created = await webhook('create', `${receiver.url}/a`, ...settings, '--headers', '{"x-key":"hush"}')
    const listed = await webhook('list', '--json')
    const { id, header_names } = JSON.parse(listed.out)
    const table = await webhook('list', '--state', 'paused')
    const none = await webhook('list', '--state', 'active', '--json')
    const changed = await webhook(
      'change',
      id,
      '--types',
      'none',
      '--order',
      'parallel',
      '--max-in-flight',
      '3',
      '--json',
    )
    const tested = await webhook('test', id)
    receiver.behave('/a', () => 'fail with 500')
    const failed = await webhook('test', id, '--json')
    const attempts = await webhook('deliveries', id, '--outcome', 'failed')
    const lines = await webhook('deliveries', id, '--json', '--limit', '1')
    const rotated = await webhook('rotate-secret', id, '--json')
    const replay = await webhook('replay', id, '--from', 'beginning', '--to', event)
    const twice = await webhook('replay', id, '--from', 'beginning')
    const stopped = await webhook('replay', id, '--stop')
    const dead = await webhook('retry', id, '--dead')
    const retried = await webhook('retry', id, JSON.parse(lines.out).id)
    const resumed = await webhook('resume', id)
    const paused = await webhook('pause', id, '--json')
    const shown = await webhook('show', id)
    const deleted = await webhook('delete', id)
    const gone = await webhook('show', id)

    const [secret = ''] = created.out.split('\n', 1)
    t.match(created, { code: 0, out: /^whsec_\S+\n$/, told: /not shown again.*\n.*It is paused/ })
    t.strictSame(header_names, ['x-key'])
    t.match(table, {
      code: 0,
      out: /^ID +STATE +BEHIND .*\n\S+ +paused \(by-admin\) +0 +never +0 +feed +http:.*\n$/,
    })
    t.strictSame(none, { code: 0, out: '', told: '' })
    t.match(JSON.parse(changed.out), {
      types: null,
      where: 'data.n gt 1',
      order: 'parallel',
      max_in_flight: 3,
    })
    t.match(tested, { code: 0, out: /^outcome +delivered$/m })
    t.match(JSON.parse(failed.out), { outcome: 'failed', status: 500, answer: 'out of order' })
    t.equal(failed.code, 1)
    t.match(attempts, { code: 0, out: /^ID .*\n\S+ +\S+ \S+Z +failed \(test\) +500 .* webhook\.test .*\n$/ })
    t.match(JSON.parse(rotated.out), { secret: /^whsec_/ })
    t.match(replay, { code: 0, out: /^state +running$/m })
    t.match(twice, { code: 3, told: /\(409 / })
    t.match(stopped, { code: 0, told: 'No replay is running now.\n' })
    t.match(dead, { code: 0, told: /^0 dead letters are delivered again\./ })
    t.match(retried.code, 3, 'a test is not in the log')
    t.match(resumed, { code: 0, told: /is active again/ })
    t.match(JSON.parse(paused.out), { state: 'paused', state_reason: 'by-admin' })
    t.match(shown, { code: 0, out: /^description +Billing$/m })
    t.match(deleted, { code: 0, out: '', told: `The webhook ${id} is deleted.\n` })
    t.match(gone, { code: 3, told: /\(404 not-found\)/ })
    const others = [listed, table, changed, tested, failed, attempts, lines, shown].map(
      ({ out, told }) => out + told,
    )
    t.notOk(others.some(text => text.includes(secret) || text.includes('hush')))
  },
)

t.test('only admins administer webhooks; wrong usage is refused before a request is sent', async t => {
  const { url } = await startGateway(t)
  const editor = await runCommand(['webhook', 'list'], gatewayEnvironment(url, 'editor'))
  const away = { ...gatewayEnvironment('http://127.0.0.1:1999') }
  const run = (...args: string[]) => runCommand(['webhook', ...args], away)

  t.match(editor, { code: 3, told: /\(403 role-too-low\)/ })
  t.match(
    {
      url: await run('create'),
      form: await run('create', 'https://example.com', '--form', 'xml'),
      headers: await run('create', 'https://example.com', '--headers', '{"a":1}'),
      nothing: await run('change', 'id'),
      from: await run('replay', 'id'),
      delivery: await run('retry', 'id'),
      away: await run('list'),
    },
    {
      url: { code: 2, told: /^Expected exactly one argument: the address/ },
      form: { code: 2, told: /^--form must be one of standard, cloudevents, cloudevents-binary\./ },
      headers: { code: 2, told: /^--headers: the value of "a" must be a text\./ },
      nothing: { code: 2, told: /^Nothing to change: give --to/ },
      from: { code: 2, told: /^Give either --from or --stop\./ },
      delivery: { code: 2, told: /^Give either DELIVERY or --dead\./ },
      away: { code: 4, told: /^No gateway answers/ },
    },
  )
})
