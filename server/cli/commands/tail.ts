/** `sluice tail`: writes the events of a stream as they happen, and goes on over every interruption. */
import type { Client, FeedOptions } from '../../../clients/typescript/src/client.js'
import { UsageError } from '../../../src/process/usage.js'
import { type Call, command } from '../declaration.js'
import { duration } from '../duration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { isJobEnd } from '../jobs/job-end.js'
import { flag, integer, text, value } from '../option.js'
import { CursorFile } from '../tail/cursor-file.js'
import { eventLine, jsonLine, noticeLine } from '../tail/event-line.js'
import { feedOptions } from '../tail/feed-options.js'
import { Outages } from '../tail/outages.js'
import { matchesTypes, typeTerms } from '../type-terms.js'

const options = {
  ...feedOptions,
  stream: value('--stream NAME', 'the stream, instead of STREAM', { parse: text }),
  since: value('--since DURATION', 'start with the events of the last 30s, 15m, 2h or 7d', {
    parse: duration,
  }),
  last: value('--last N', 'start with the newest N events, 0 to 10000', { parse: integer(0, 10_000) }),
  cursorFile: value(
    '--cursor-file FILE',
    'continue after the event whose id is in FILE, and keep it up to date: an id is stored after its line was written',
    { parse: text },
  ),
  count: value('--count N', 'end after N events', { parse: integer(1, 999_999_999) }),
  exitOn: value('--exit-on TYPES', 'end after an event of one of these types', { parse: typeTerms }),
  json: flag('--json', 'one JSON document per event and line, as the gateway sends it (NDJSON)'),
  ...gatewayOptions,
}

export const tailCommand = command({
  description: `Writes the events of a stream as they happen: a line with time, event id, type and data. STREAM is feed (default), the
name of another stream, or job ID for the stream of a job, which ends with the job.`,
  args: [
    { name: 'STREAM', help: 'feed (default), another stream, or job', isOptional: true },
    { name: 'ID', help: 'the id of a job, after job', isOptional: true },
  ],
  options,
  examples: [
    "sluice tail --types 'item.*' --last 20",
    `sluice tail orders/7 --since 2h --where 'data.total gt 100'`,
    'sluice tail job 7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22',
    'sluice tail --json --cursor-file orders.cursor | ./import-orders',
    'sluice tail --from now --exit-on deployment.finished',
  ],
  notes: `An interruption loses nothing: tail connects again and continues after its last event. It says so once per outage, on standard
error. If events are missing because the gateway no longer has them, it says so there, with --json also as a line of type reset, and
continues after the gap.

With --cursor-file, a tail that is ended and started again writes each event once; one that is killed (SIGKILL) may write its last
event again. The cursor belongs to one stream and to one tail: do not use its file for another.

${GATEWAY_NOTES}`,
  exitCodes:
    '0 the stream has ended, or --count or --exit-on was reached, 1 failed, 2 wrong usage, 3 refused by the gateway, 130 Ctrl-C',
  run: call => withGateway(call, ({ client, target }) => tail(client, target.url, call)),
})

async function tail(client: Client, url: string, call: Call<typeof options>): Promise<undefined> {
  const { options: given, terminal } = call
  const { out, err } = terminal
  const stream = streamOf(call)
  const start = startOf(given, stream)
  const cursor = given.cursorFile === undefined ? undefined : new CursorFile(given.cursorFile)
  const outages = new Outages(url, err)
  const feed = client.feed({
    ...start,
    stream,
    types: given.types,
    where: given.where,
    cursor,
    envelope: true,
    signal: call.interruption(),
    onState: state => outages.onState(state),
    onNotice: notice => outages.onNotice(notice),
    async reload(notice) {
      const { reason, head } = notice.data
      await err.line(`Events are missing (${reason}); tail continues after ${head}.`)
      if (given.json) await out.write(noticeLine(notice))
    },
  })
  let count = 0
  let isOver = false
  try {
    for await (const event of feed) {
      if (isOver) break
      await out.write(given.json ? jsonLine(event) : eventLine(event, out))
      count += 1
      // Not left by `break`: the loop's next step stores the cursor.
      const isEnd = stream?.startsWith('job:') === true && isJobEnd(event.type)
      isOver = isEnd || count === given.count || matchesTypes(event.type, given.exitOn)
      if (isOver) feed.close()
    }
  } finally {
    cursor?.close()
  }
  return undefined
}

function streamOf({ args: [first, id], options: { stream } }: Call<typeof options>): string | undefined {
  if (first === undefined) return stream
  if (stream !== undefined) throw new UsageError('Give the stream as STREAM or by --stream, not both.')
  if (first === 'job' && id !== undefined) return `job:${id}`
  if (id !== undefined) throw new UsageError('Too many arguments. An id follows only the word job.')
  return first
}

function startOf(
  { from, since, last }: Call<typeof options>['options'],
  stream: string | undefined,
): Pick<FeedOptions, 'from' | 'last'> {
  if ([from, since, last].filter(given => given !== undefined).length > 1) {
    throw new UsageError('Give only one of --from, --since and --last.')
  }
  if (since !== undefined) return { from: new Date(Date.now() - since).toISOString() }
  const isJob = stream?.startsWith('job:') === true
  return { from: from ?? (isJob && last === undefined ? 'beginning' : undefined), last }
}
