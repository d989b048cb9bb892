/** `sluice webhook listen`: posts the events of a stream to a local server, signed as the requests of a webhook are. */
import type { Client } from '../../../clients/typescript/src/client.js'
import { type Call, command } from '../declaration.js'
import { duration } from '../duration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions, type Target } from '../gateway-target.js'
import { flag, integer, oneOf, required, text, value, valueOr } from '../option.js'
import { CursorFile } from '../tail/cursor-file.js'
import { feedOptions } from '../tail/feed-options.js'
import { Outages } from '../tail/outages.js'
import { attemptJson, attemptLine, bodyLine } from '../webhooks/attempt-line.js'
import { attributesOfEvent } from '../webhooks/cloudevent-attributes.js'
import { Forwarding } from '../webhooks/forwarding.js'
import { LocalSender, localUrl, secretOf, signingSecret } from '../webhooks/local-sender.js'
import { form } from '../webhooks/message-form.js'

const FEED = 'feed'
/** As long as a webhook waits. */
const TIMEOUT_MS = 15_000

const options = {
  forward: required('--forward URL', 'the local server that gets the events: http://localhost:3000/hook', {
    parse: localUrl,
  }),
  stream: valueOr('--stream NAME', 'the stream (feed)', FEED, { parse: text }),
  ...feedOptions,
  form,
  secret: value(
    '--secret SECRET',
    'signs the requests: whsec_… (default: one that is always the same for your credential)',
    { parse: signingSecret, env: 'SLUICE_WEBHOOK_SECRET' },
  ),
  onFailure: valueOr<'retry' | 'skip'>(
    '--on-failure WHAT',
    'after an answer other than 2xx: retry the event until it is accepted (default), or skip it',
    'retry',
    { parse: oneOf(['retry', 'skip']) },
  ),
  timeout: valueOr('--timeout DURATION', 'how long the server may take to answer (15s)', TIMEOUT_MS, {
    parse: duration,
  }),
  cursorFile: value(
    '--cursor-file FILE',
    'continue after the event whose id is in FILE, and keep it up to date: an id is stored after its event was delivered',
    { parse: text },
  ),
  count: value('--count N', 'end after N events', { parse: integer(1, 999_999_999) }),
  printBody: flag('--print-body', 'write what was posted, below the line of each attempt'),
  json: flag('--json', 'one JSON document per attempt and line'),
  ...gatewayOptions,
}

export const listenCommand = command({
  description: `Posts the events of a stream to a server on your machine as they happen, signed as the requests of a webhook are, and
writes a line for each attempt: time, event id, type, status, milliseconds. It needs no webhook and no admin: the right to read the
stream is enough.`,
  options,
  examples: [
    'sluice webhook listen --forward http://localhost:3000/hook',
    "sluice webhook listen --forward http://localhost:3000/hook --types 'item.*' --print-body",
    'sluice webhook listen --forward http://localhost:3000/hook --stream orders/7 --from beginning',
  ],
  notes: `Events arrive one at a time and in order. While the local server is down, the next event waits for it, however long that takes;
an event that the server refuses is posted again after 1 s, 2 s, 4 s, up to 30 s, so that you can mend the handler meanwhile. Ctrl-C ends
it, and says how to continue.

The secret verifies the requests, as the one of a webhook does: give it to your handler. The header sluice-webhook is listen.

${GATEWAY_NOTES}`,
  exitCodes:
    '0 --count was reached or the stream has ended, 1 failed, 2 wrong usage, 3 refused by the gateway, 130 Ctrl-C',
  run: call => withGateway(call, ({ client, target }) => listen(client, target, call)),
})

async function listen(client: Client, target: Target, call: Call<typeof options>): Promise<undefined> {
  const { options: given, terminal } = call
  const { stream, types, where, from, forward: url } = given
  const shape = given.form ?? 'standard'
  const { out, err } = terminal
  const secret = given.secret ?? secretOf(target.token ?? '')
  const signal = call.interruption()
  const cursor = given.cursorFile === undefined ? undefined : new CursorFile(given.cursorFile)
  const sender = new LocalSender({
    url,
    secret,
    stream,
    form: shape,
    // A feed has no attributes of CloudEvents.
    attributesOf: async ({ id }) =>
      shape === 'standard' ? undefined : await attributesOfEvent(client, stream, id, signal),
    timeoutMs: given.timeout,
    signal,
  })
  const outages = new Outages(target.url, err)
  const forwarding = new Forwarding({
    post: (event, attempt) => sender.post(event, attempt),
    onFailure: given.onFailure,
    signal,
    async onAttempt(attempted) {
      const { body } = attempted
      const shown = given.printBody ? bodyLine(body) : ''
      if (given.json) await out.write(attemptJson(attempted, given.printBody))
      else await out.write(`${attemptLine(attempted, out)}${shown}`)
    },
    onAway: reason =>
      err.line(`${url} takes no requests. ${reason} The next event waits until it does; none is skipped.`),
  })
  const feed = client.feed({
    stream,
    types,
    where,
    from,
    cursor,
    envelope: true,
    signal,
    onState: state => outages.onState(state),
    onNotice: notice => outages.onNotice(notice),
    async reload({ data: { reason, head } }) {
      await err.line(`Events are missing (${reason}); listen continues after ${head}.`)
    },
  })
  // Not through `line`, which leaves secrets out.
  await err.write(
    `Posting the events of ${out.styled(stream)} to ${out.styled(url)}. Ctrl-C ends it.\nThe secret: ${secret}\n`,
  )
  let count = 0
  try {
    for await (const event of feed) {
      if (count === given.count) break
      if (!(await forwarding.deliver(event))) break
      count += 1
      // Not left by `break`: the loop's next step stores the cursor.
      if (count === given.count) feed.close()
    }
  } finally {
    await sender.close()
    cursor?.close()
  }
  if (feed.cursor !== undefined && given.cursorFile === undefined) {
    await err.line(
      `${count} ${count === 1 ? 'event was' : 'events were'} delivered. To continue there: --from ${feed.cursor}`,
    )
  }
  return undefined
}
