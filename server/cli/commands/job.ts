/** `sluice job`: commands for runners, and jobs of every kind. */
import { command, type Noun } from '../declaration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { isJobEnd } from '../jobs/job-end.js'
import { JobOutput } from '../jobs/job-output.js'
import { flag, integer, oneOf, text, value, valueOr } from '../option.js'
import { shown, writeList } from '../shown.js'
import { Outages } from '../tail/outages.js'

const EXIT_CODES = '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers'
const STATUSES = ['queued', 'running', 'completed', 'failed', 'cancelled', 'aborted', 'interrupted'] as const
const ID = { name: 'ID', help: 'the id of a job' }
const json = flag('--json', 'print JSON')

const listCommand = command({
  description: 'Lists the jobs of the workspace, newest first.',
  options: {
    status: value('--status STATUS', STATUSES.join(', '), { parse: oneOf(STATUSES) }),
    kind: value('--kind KIND', 'only jobs of this kind, such as command', { parse: text }),
    project: value('--project NAME', 'only jobs of this project', { parse: text }),
    limit: valueOr('--limit N', 'at most this many (50)', 50, { parse: integer(1, 1_000_000) }),
    json: flag('--json', 'print one JSON document per line'),
    ...gatewayOptions,
  },
  examples: ['sluice job list --status running', 'sluice job list --project site --json'],
  notes: GATEWAY_NOTES,
  exitCodes: EXIT_CODES,
  run: call =>
    withGateway(call, async ({ client }) => {
      const { status, kind, project, limit, json } = call.options
      const { out } = call.terminal
      await writeList(client.jobs.list({ status, kind, project, limit: Math.min(limit, 200) }), out, {
        limit,
        json,
        head: ['ID', 'STATUS', 'KIND', 'PROJECT', 'CREATED', 'TITLE'],
        row: job => [job.id, job.status, job.kind, job.project ?? '', job.created_at, job.title ?? ''],
      })
      return undefined
    }),
})

const showCommand = command({
  description: 'Shows a job.',
  args: [ID],
  options: { json, ...gatewayOptions },
  examples: ['sluice job show 7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22'],
  notes: GATEWAY_NOTES,
  exitCodes: EXIT_CODES,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [id = ''] = call.args
      const { head: _, ...job } = await client.jobs.get(id)
      await call.terminal.out.write(shown(job, call.options.json))
      return undefined
    }),
})

const cancelCommand = command({
  description: 'Cancels a job that has not ended.',
  args: [ID],
  options: { json, ...gatewayOptions },
  examples: ['sluice job cancel 7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22'],
  notes: GATEWAY_NOTES,
  exitCodes: EXIT_CODES,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [id = ''] = call.args
      const job = await client.jobs.cancel(id)
      if (call.options.json) await call.terminal.out.write(shown(job, true))
      else await call.terminal.err.line(`The job ${job.id} is ${job.status}.`)
      return undefined
    }),
})

const logsCommand = command({
  description: `Writes the output that a command has written so far: its standard output and its standard error, each to ours.`,
  args: [ID],
  options: {
    follow: flag('-f, --follow', 'go on until the job ends'),
    raw: flag('--raw', 'let its control characters, such as colours, through to a terminal'),
    ...gatewayOptions,
  },
  examples: ['sluice job logs -f 7d0f5a3e-52c4-4f0b-9c1e-0b8f6f3f1a22'],
  notes: `Into a file or a pipe the output goes unchanged; on a terminal control characters are escaped.

${GATEWAY_NOTES}`,
  exitCodes: `${EXIT_CODES}, 130 Ctrl-C`,
  run: call =>
    withGateway(call, async ({ client, target }) => {
      const { terminal, options, args } = call
      const [id = ''] = args
      const output = new JobOutput(terminal, options.raw)
      const outages = new Outages(target.url, terminal.err)
      const { head } = await client.jobs.get(id)
      const feed = client.feed({
        stream: `job:${id}`,
        from: 'beginning',
        signal: call.interruption(),
        onState: state => outages.onState(state),
        onNotice: notice => outages.onNotice(notice),
        async reload({ data: { reason } }) {
          await terminal.err.line(`sluice: output is missing (${reason})`)
        },
      })
      for await (const event of feed) {
        await output.write(event)
        if ((!options.follow && event.id === head) || isJobEnd(event.type)) feed.close()
      }
      return undefined
    }),
})

export const jobNoun: Noun = {
  description: 'Runs commands on runners, and shows and cancels jobs.',
  commands: [
    {
      name: 'run',
      summary: 'queue a command, follow it, and exit with its status',
      load: async () => (await import('./job-run.js')).jobRunCommand,
    },
    { name: 'list', summary: 'list jobs', load: () => listCommand },
    { name: 'show', summary: 'show a job', load: () => showCommand },
    { name: 'cancel', summary: 'cancel a job', load: () => cancelCommand },
    { name: 'logs', summary: 'write the output of a job', load: () => logsCommand },
  ],
  exitCodes: EXIT_CODES,
}
