/** `sluice ticket`: a link that opens one stream once, such as for a browser or a colleague. */
import { UsageError } from '../../../src/process/usage.js'
import { command } from '../declaration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { grantsOf } from '../key-options.js'
import { flag, value } from '../option.js'

interface Ticket {
  readonly ticket: string
  readonly expires_at: string
  readonly url: string
}

export const ticketCommand = command({
  description: `Prints a link that opens a stream without further credentials. It must be opened within 30 s and works once; the browser
that has opened it may reconnect with it for 24 hours, as long as your credentials are valid.`,
  args: [{ name: 'PATH', help: 'the path of a stream with its query, such as /api/events?types=item.*' }],
  options: {
    grants: value('--grants JSON', 'limit the ticket to streams and types, as in sluice key create', {
      parse: grantsOf,
    }),
    json: flag('--json', 'print the answer of POST /api/stream-tickets, with the whole link as url'),
    ...gatewayOptions,
  },
  examples: ["sluice ticket '/api/events?types=item.*'", 'curl -N "$(sluice ticket /api/events)"'],
  notes: GATEWAY_NOTES,
  exitCodes: '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers',
  async run({ options, args: [path = ''], env, terminal }) {
    if (!path.startsWith('/')) throw new UsageError('PATH must begin with /, such as /api/events.')
    const { grants, json } = options
    return await withGateway({ options, env, terminal }, async ({ client, target }) => {
      const root = new URL(target.url)
      // A gateway within an application: tickets name the whole path, as a browser sends it.
      const whole = `${root.pathname.replace(/\/$/, '')}${path}`
      const { body } = await client.gateway.request<Ticket>('POST', '/api/stream-tickets', {
        body: { path: whole, ...(grants && { grants }) },
      })
      const url = `${root.origin}${body.url}`
      // Not through `line`, which leaves tickets and tokens out.
      await terminal.out.write(json ? `${JSON.stringify({ ...body, url })}\n` : `${url}\n`)
      if (terminal.out.isTerminal) await terminal.err.line(`Open it once, before ${body.expires_at}.`)
      return undefined
    })
  },
})
