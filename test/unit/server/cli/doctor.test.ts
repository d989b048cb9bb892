/** The verdicts of doctor about facts that no test can make: clocks, versions, certificates, hours that have passed. */
import t from 'tap'
import { differenceOf, judgeClock, readDateHeader } from '../../../../server/cli/doctor/clock-check.js'
import { judgeNode } from '../../../../server/cli/doctor/doctor.js'
import { judgeReadiness } from '../../../../server/cli/doctor/gateway-checks.js'
import { judgeNodes, judgeVersions } from '../../../../server/cli/doctor/node-checks.js'
import { proxyOf } from '../../../../server/cli/doctor/proxy-name.js'
import { judgeServer } from '../../../../server/cli/doctor/server-checks.js'
import { judgeOldSnapshots } from '../../../../server/cli/doctor/session-checks.js'
import { judgePlain, judgeTransport } from '../../../../server/cli/doctor/transport-check.js'

t.test('a difference of clocks counts only beyond the uncertainty of its measurement', async t => {
  const asked = { askedAt: 10_000, answeredAt: 10_400 }
  const at = (aheadMs: number) => judgeClock('clock', 'It', aheadMs).verdict

  t.strictSame(
    [10_000, 10_400, 11_500, 3_000].map(from => differenceOf({ ...asked, from, to: from })),
    [0, 0, 1_100, -7_000],
  )
  t.equal(differenceOf({ ...asked, from: 9_500, to: 10_499 }), 0, 'a header has whole seconds')
  t.strictSame([0, 900, -1_500, 4_900, 5_100, -60_000].map(at), [
    'ok',
    'ok',
    'warning',
    'warning',
    'fault',
    'fault',
  ])
  t.match(judgeClock('clock', 'The clock', -60_000), {
    text: /60 s behind this machine's.*5 s/,
    remedy: /NTP/,
  })
  t.match(readDateHeader('Thu, 26 Nov 2026 15:00:00 GMT', 1, 2), {
    from: Date.UTC(2026, 10, 26, 15),
    askedAt: 1,
  })
  t.equal(readDateHeader('yesterday', 1, 2), undefined)
})

t.test('versions: of Node, of the server, of the nodes', async t => {
  const server = { versionName: '', encoding: 'UTF8', inRecovery: false, settings: {} }

  t.strictSame(
    ['18.20.0', '20.19.1', '20.19.2', '20.20.0', '22.0.0'].map(version => judgeNode(version).verdict),
    ['fault', 'fault', 'ok', 'ok', 'ok'],
  )
  t.strictSame(
    [140_010, 150_000, 180_004, 190_000].map(version => judgeServer({ ...server, version })[0]?.verdict),
    ['fault', 'ok', 'ok', 'warning'],
  )
  t.strictSame(
    [['1.0.0'], ['1.1.0'], ['1.0.0', '1.1.0']].map(versions => judgeVersions(versions, '1.0.0').verdict),
    ['ok', 'warning', 'warning'],
  )
  t.match(judgeServer({ ...server, version: 180_000, encoding: 'SQL_ASCII' }), [
    {},
    {},
    {},
    { verdict: 'fault', text: /SQL_ASCII/ },
  ])
})

t.test('nodes that are silent or unwell, and a gateway that is not ready', async t => {
  const node = { name: 'a/1', version: '1', mode: 'normal', heartbeat_age_ms: 900 }
  const ready = {
    status: 'ready',
    mode: 'normal',
    database: 'up',
    bus: 'listening',
    memory: { state: 'ample' },
  }
  const verdicts = (change: object) => judgeReadiness({ ...ready, ...change }).map(({ verdict }) => verdict)

  t.equal(judgeNodes([node]).verdict, 'ok')
  t.match(judgeNodes([node, { ...node, name: 'b/2', heartbeat_age_ms: 9_000 }]), {
    verdict: 'warning',
    text: /^b\/2 .* 9 s/,
  })
  t.match(judgeNodes([node, { ...node, name: 'b/2', mode: 'degraded' }]), {
    verdict: 'warning',
    text: /b\/2 is in degraded/,
  })
  t.strictSame(verdicts({}), ['ok', 'ok', 'ok'])
  t.strictSame(verdicts({ status: 'unready', mode: 'draining' }), ['fault', 'ok', 'ok'])
  t.strictSame(verdicts({ database: 'read-only' }), ['fault', 'ok', 'ok'])
  t.strictSame(verdicts({ mode: 'degraded', bus: 'down' }), ['warning', 'fault', 'ok'])
  t.strictSame(verdicts({ bus: 'down', notify_queue_percent: 80, memory: { state: 'low' } }), [
    'ok',
    'fault',
    'fault',
  ])
  t.strictSame(verdicts({ replica: 'up' }), ['ok', 'ok', 'ok', 'ok'])
  t.strictSame(verdicts({ replica: 'behind' }), ['ok', 'warning', 'ok', 'ok'])
  t.strictSame(verdicts({ bus: 'off', memory: { state: 'tight' } }), ['ok', 'warning', 'warning'])
})

t.test('a transaction that idles for hours is a fault, a long backup is not', async t => {
  const session = { pid: 7, who: 'app', state: 'idle in transaction', seconds: 7_200 }

  t.equal(judgeOldSnapshots([session], 300).verdict, 'fault')
  t.equal(judgeOldSnapshots([{ ...session, seconds: 600 }], 300).verdict, 'warning')
  t.equal(judgeOldSnapshots([{ ...session, state: 'active' }], 300).verdict, 'warning')
})

t.test('the way of browsers: TLS, HTTP/2, the certificate', async t => {
  const [now, year] = [Date.UTC(2026, 0, 1), 365 * 86_400_000]

  t.equal(judgeTransport({ protocol: 'h2', validTo: now + year }, now).verdict, 'ok')
  t.match(judgeTransport({ protocol: 'http/1.1', validTo: now + year }, now), {
    verdict: 'warning',
    text: /six streams/,
  })
  t.match(judgeTransport({ protocol: 'h2', validTo: now + year / 100 }, now), {
    verdict: 'warning',
    text: /expires on 2026-01-04/,
  })
  t.equal(judgePlain(new URL('http://localhost:8080')).verdict, 'ok')
  t.equal(judgePlain(new URL('http://events.example.com')).verdict, 'warning')
})

t.test('a proxy is named by the header that shows it', async t => {
  t.equal(proxyOf({ 'content-type': 'text/event-stream' }), undefined)
  t.match(proxyOf({ server: 'nginx/1.22.1' }), { text: 'nginx (Server: nginx/1.22.1)', kind: 'nginx' })
  t.match(proxyOf({ server: 'cloudflare', 'cf-ray': '8a-FRA' }), {
    text: /^Cloudflare \(.*cf-ray: 8a-FRA\)$/,
    kind: 'other',
  })
  t.match(proxyOf({ via: '1.1 Caddy' }), { kind: 'Caddy' })
})
