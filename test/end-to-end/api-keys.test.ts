import t from 'tap'
import type { CreatedApiKey } from '../../src/auth/api-keys/api-key.js'
import type { Role } from '../../src/auth/principal.js'
import { openStream } from '../harness/event-stream.js'
import { as, type Gateway, startGateway } from '../harness/gateway.js'
import { startRunner } from '../harness/runner-program.js'

async function keyFor(gateway: Gateway, role: Role): Promise<string> {
  const response = await fetch(`${gateway.url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: role, role }),
  })
  const { key } = (await response.json()) as CreatedApiKey
  return key
}

t.test('API keys are enough to submit, execute and follow a command', async t => {
  const gateway = await startGateway(t)
  const editor = await keyFor(gateway, 'editor')
  const viewer = await keyFor(gateway, 'viewer')
  const runner = await keyFor(gateway, 'runner')
  await startRunner(t, gateway.url, { token: runner })

  const submitted = await fetch(`${gateway.url}/projects/site/shell`, {
    method: 'POST',
    headers: { 'x-api-key': editor, 'content-type': 'application/json' },
    body: JSON.stringify({ command: 'echo "token: $SLUICE_TOKEN"' }),
  })
  const { data } = (await submitted.json()) as { data: { id: string } }
  const stream = await openStream(t, `${gateway.url}/projects/site/events?stream_id=${data.id}`, {
    headers: { 'x-api-key': viewer },
  })

  t.equal(submitted.status, 201)
  t.ok(await stream.ended())
  t.match(stream.text(), /"token: "/, 'the runner keeps its key from the command')
  t.notMatch(stream.text(), /slk_/)
  t.match(stream.messages.at(-1)?.data, /exit/)
  const refused = await fetch(`${gateway.url}/projects/site/shell`, {
    method: 'POST',
    headers: { 'x-api-key': viewer, 'content-type': 'application/json' },
    body: JSON.stringify({ command: 'true' }),
  })
  t.match(await refused.json(), { status: 403, code: 'role-too-low' })
})

t.test('a runner with a wrong key prints what to check', async t => {
  const gateway = await startGateway(t)

  const runner = await startRunner(t, gateway.url, {
    token: `slk_0123456789ab_${'x'.repeat(43)}`,
  }).catch(error => error)

  t.match(String(runner), /401 key-invalid.*Check SLUICE_TOKEN/s)
})
