/** The verdict of a round trip on the way between a client and the gateway: whether something buffers, compresses or cuts the stream. */
import { durationOf } from './duration.js'
import { type Finding, fault, ok, unknown, warning } from './finding.js'
import { type ProxyName, proxyOf, proxyRemedy } from './proxy-name.js'
import type { Quiet, RoundTripFacts } from './round-trip.js'

/** A stream begins in milliseconds; a buffer keeps it for as long as nothing else happens. */
const SLOW_MS = 1_000
/** Events that arrive together although they were sent apart have waited for each other. */
const TOGETHER = 0.25
/** The default of HEARTBEAT_MS. */
const HEARTBEAT_MS = 30_000

export function judgeRoundTrip(facts: RoundTripFacts): Finding[] {
  const proxy = facts.head && proxyOf(facts.head.headers)
  const opening = judgeOpening(facts)
  const leftover = judgeLeftover(facts)
  if (opening.verdict === 'fault') return [opening, ...leftover]
  const buffering = judgeBuffering(facts, proxy)
  return [
    opening,
    buffering,
    judgeCompression(facts, proxy),
    judgeHeaders(facts, proxy),
    buffering.verdict === 'fault'
      ? unknown('sse-timeout', 'Whether something cuts silent streams cannot be seen behind a buffer.')
      : judgeQuiet(facts.quiet, proxy),
    ...leftover,
  ]
}

function judgeLeftover({ leftover }: RoundTripFacts): Finding[] {
  if (leftover === undefined) return []
  const text = `The stream ${leftover.stream} of doctor could not be deleted: ${leftover.reason.replace(/\.$/, '')}.`
  return [warning('sse-leftover', text, `Delete it as an admin: DELETE /api/streams/${leftover.stream}.`)]
}

function judgeOpening({ head, first, quiet }: RoundTripFacts): Finding {
  const check = 'sse-open'
  if (head === undefined) {
    return quiet.end === 'cut'
      ? fault(check, `No stream opens: ${quiet.reason}.`, 'Check the URL, the proxy and the gateway.')
      : ok(check, 'The request for a stream is accepted, and nothing of the response has arrived yet.')
  }
  const type = head.headers['content-type'] ?? 'no content type'
  if (head.status !== 200 || !/^text\/event-stream\b/.test(type)) {
    return fault(
      check,
      `The request for a stream is answered with status ${head.status} and ${type}.`,
      'Check that the URL leads to the gateway, that the credentials may read the feed, and that a proxy passes the header Accept.',
    )
  }
  if (first?.name === 'unavailable') {
    return fault(
      check,
      `The gateway, or the proxy for it, opens no stream now: ${first.data}.`,
      'docs/operations.md, Troubleshooting, says what each reason means.',
    )
  }
  return ok(check, 'A stream opens.')
}

function judgeBuffering(
  { head, firstByteMs, events, filledBytes, isComplete, first }: RoundTripFacts,
  proxy: ProxyName | undefined,
): Finding {
  const check = 'sse-buffering'
  const culprit = proxy
    ? `${proxy.text}`
    : head === undefined
      ? 'Something between here and the gateway'
      : 'A proxy that names itself in no header'
  const remedy = proxyRemedy(proxy, 'buffering')
  if (filledBytes > 0 && isComplete) {
    return fault(
      check,
      `${culprit} buffers the stream: events arrived only after ${Math.round(filledBytes / 1_000)} kB had been published behind them.`,
      remedy,
    )
  }
  if (!isComplete) {
    return first === undefined
      ? fault(
          check,
          `${culprit} holds the stream back: ${firstByteMs === undefined ? 'not one byte arrived' : 'no complete block arrived'}.`,
          remedy,
        )
      : fault(
          check,
          `${culprit} loses or holds back events: of ${events.length}, ${events.filter(({ arrivedAt }) => arrivedAt !== undefined).length} arrived.`,
          remedy,
        )
  }
  if ((firstByteMs ?? 0) > SLOW_MS) {
    return warning(
      check,
      `The first byte of the stream arrived after ${durationOf((firstByteMs ?? 0) / 1_000)}, although the gateway sends it at once.`,
      remedy,
    )
  }
  if (events.length === 0) {
    return unknown(
      check,
      `The stream begins after ${Math.ceil(firstByteMs ?? 0)} ms. Whether events wait in a buffer was not tried.`,
      'Give doctor the credentials of an admin: it then publishes to a stream of its own, which it deletes.',
    )
  }
  const delays = events.map(({ sentAt, arrivedAt = Number.POSITIVE_INFINITY }) =>
    Math.max(arrivedAt - sentAt, 0),
  )
  const [most = 0, median = 0] = [
    Math.max(...delays),
    [...delays].sort((a, b) => a - b)[Math.floor(delays.length / 2)],
  ]
  if (
    most > SLOW_MS / 2 &&
    spread(events.map(({ arrivedAt = 0 }) => arrivedAt)) <
      TOGETHER * spread(events.map(({ sentAt }) => sentAt))
  ) {
    return fault(
      check,
      `${culprit} buffers the stream: ${events.length} events that were sent apart arrived together, up to ${Math.ceil(most)} ms late.`,
      remedy,
    )
  }
  return most > SLOW_MS
    ? warning(
        check,
        `Events arrive up to ${durationOf(most / 1_000)} after doctor begins to publish them.`,
        'Look at sluice cluster and at the load of the gateway and the database.',
      )
    : ok(
        check,
        `Nothing buffers the stream: it begins after ${Math.ceil(firstByteMs ?? 0)} ms, and events arrive ${Math.ceil(median)} ms after doctor begins to publish them (at most ${Math.ceil(most)} ms).`,
      )
}

function spread(times: readonly number[]): number {
  return Math.max(...times) - Math.min(...times)
}

function judgeCompression({ head }: RoundTripFacts, proxy: ProxyName | undefined): Finding {
  const check = 'sse-compression'
  const encoding = head?.headers['content-encoding']
  return encoding === undefined || encoding === 'identity'
    ? ok(check, 'Nothing compresses the stream.')
    : warning(
        check,
        `${proxy?.text ?? 'A proxy'} compresses the stream (Content-Encoding: ${encoding}), which delays events and takes memory for each client.`,
        proxyRemedy(proxy, 'compression'),
      )
}

function judgeHeaders({ head }: RoundTripFacts, proxy: ProxyName | undefined): Finding {
  const check = 'sse-headers'
  const control = head?.headers['cache-control'] ?? ''
  const accel = head?.headers['x-accel-buffering']
  const way = [
    proxy ? `in between: ${proxy.text}` : 'no header names a proxy',
    `HTTP/${head?.httpVersion ?? '?'}`,
    accel === undefined
      ? 'X-Accel-Buffering was removed on the way, as nginx does'
      : `X-Accel-Buffering: ${accel}`,
  ].join('; ')
  return /no-transform/.test(control)
    ? ok(check, `The headers of the stream arrive: ${way}.`)
    : warning(
        check,
        `The header Cache-Control of the stream arrives as '${control}', without no-transform (${way}).`,
        'Let the proxy pass Cache-Control as the gateway sends it.',
      )
}

function judgeQuiet({ end, ms, reason, last }: Quiet, proxy: ProxyName | undefined): Finding {
  const check = 'sse-timeout'
  const time = durationOf(ms / 1_000)
  const isGateways = ['unavailable', 'auth-expired', 'auth-revoked', 'reset'].includes(last)
  switch (end) {
    case 'heartbeat':
      return ok(check, `The connection survives ${time} of silence, until the heartbeat of the gateway.`)
    case 'skipped':
      return unknown(
        check,
        'Whether something cuts silent streams was not tried.',
        'Leave out --quick: doctor then waits for a heartbeat of the gateway, 30 s by default.',
      )
    case 'waited':
      return ms < HEARTBEAT_MS
        ? unknown(
            check,
            `The connection survives ${time} of silence. No heartbeat arrived in this time.`,
            'Wait longer (--wait), longer than HEARTBEAT_MS of the gateway.',
          )
        : warning(
            check,
            `The connection survives ${time} of silence, but no heartbeat arrived. Clients take such a connection for dead.`,
            'Set HEARTBEAT_MS to 30000 or less, or wait longer (--wait).',
          )
    default:
      return isGateways
        ? unknown(check, `The gateway ended the stream (${last}) before its heartbeat.`, 'Run doctor again.')
        : fault(
            check,
            `${proxy?.text ?? 'Something between here and the gateway'} ${end === 'cut' ? 'cuts' : 'ends'} the stream after ${time} of silence, before the heartbeat of the gateway (${reason}).`,
            proxyRemedy(proxy, 'timeout'),
          )
  }
}
