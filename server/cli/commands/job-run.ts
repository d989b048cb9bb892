/** `sluice job run`: queues a command for a runner, follows it as if it ran here, and exits with its status. */
import { type Client, SluiceError } from '../../../clients/typescript/src/client.js'
import { UsageError } from '../../../src/process/usage.js'
import { type Call, command } from '../declaration.js'
import { duration } from '../duration.js'
import { Failure } from '../exit-code.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { endOf, NOT_ASKED } from '../jobs/job-end.js'
import { JobOutput } from '../jobs/job-output.js'
import { shellCommand } from '../jobs/shell-command.js'
import { flag, integer, oneOf, required, text, value, valueOr, values } from '../option.js'
import { Outages } from '../tail/outages.js'

const options = {
  project: required('--project NAME', 'the project whose runners execute the command', {
    parse: text,
    env: 'SLUICE_PROJECT',
  }),
  env: values('--env NAME=VALUE', 'a variable of the command; others see *** as its value', variable),
  timeout: value('--timeout DURATION', 'the command is killed after 30s, 15m or 2h', { parse: duration }),
  priority: value('--priority N', '0 to 9 (0); higher ones are claimed first', { parse: integer(0, 9) }),
  attempts: value('--attempts N', 'how often it may be started if its runner is lost, 1 to 10 (3)', {
    parse: integer(1, 10),
  }),
  id: value('--id ID', 'an id of your own (default: a UUID)', { parse: text }),
  title: value('--title TEXT', 'for people (default: the command)', { parse: text }),
  onInterrupt: valueOr(
    '--on-interrupt WHAT',
    'what the first Ctrl-C does: cancel the job and wait for its end (default), or leave it running',
    'cancel',
    { parse: oneOf(['cancel', 'leave']) },
  ),
  detach: flag('--detach', 'do not follow it: write its id and exit'),
  raw: flag('--raw', 'let its control characters, such as colours, through to a terminal'),
  ...gatewayOptions,
}

export const jobRunCommand = command({
  description: `Queues a command for a runner of a project, writes its output as it comes, and exits with its status. One COMMAND is a
line for /bin/sh; several words are quoted.`,
  args: [{ name: 'COMMAND', help: 'the command; write -- before it', isVariadic: true }],
  options,
  examples: [
    'sluice job run --project site -- npm test',
    `sluice job run --project site --timeout 10m -- 'make && make install'`,
    'SLUICE_PROJECT=site sluice job run --detach -- ./backup.sh',
  ],
  notes: `Ctrl-C cancels the job, and its end is waited for; a second Ctrl-C leaves at once. With --on-interrupt leave the job goes on:
sluice job logs -f ID follows it. An interruption of the connection loses no output.

${GATEWAY_NOTES}`,
  exitCodes: `the command's; 128 + n: signal n ended it; 124 it exceeded its timeout, 143 it was cancelled, 255 its runner was lost, 125 it
never started, 126 the gateway refused the request or could not be reached, 130 Ctrl-C, 2 wrong usage`,
  run: call =>
    withGateway(call, async ({ client, target }) => await run(client, target.url, call), {
      attempts: 3,
    }).catch(error => {
      throw error instanceof Failure
        ? new Failure(error.message, error.exitCode === 2 ? 2 : NOT_ASKED)
        : error
    }),
})

type RunCall = Call<typeof options>

async function run(client: Client, url: string, call: RunCall): Promise<number> {
  const { options: given, args, terminal } = call
  const interruption = call.interruption()
  const line = shellCommand(args)
  const { id } = await client.jobs.create({
    ...(given.id !== undefined && { id: given.id }),
    kind: 'command',
    project: given.project,
    title: given.title ?? line.slice(0, 200),
    payload: { command: line, ...(given.env.length > 0 && { env: Object.fromEntries(given.env) }) },
    ...(given.priority !== undefined && { priority: given.priority }),
    ...(given.attempts !== undefined && { max_attempts: given.attempts }),
    ...(given.timeout !== undefined && { timeout_ms: given.timeout }),
  })
  if (given.detach) {
    await terminal.out.line(id)
    return 0
  }
  await terminal.err.line(`sluice: the job ${id} is queued in the project ${given.project}`)
  const stop = new AbortController()
  const onInterrupt = () => {
    if (given.onInterrupt === 'leave') stop.abort()
    else void cancel(client, id, call)
  }
  interruption.addEventListener('abort', onInterrupt)
  if (interruption.aborted) onInterrupt()
  const end = await follow(client, id, { url, call, signal: stop.signal })
  if (end) return await endOf(end, terminal.err)
  await terminal.err.line(`sluice: the job goes on. Follow it: sluice job logs -f ${id}`)
  return 130
}

/** @returns undefined if it was left. */
async function follow(
  client: Client,
  id: string,
  { url, call: { terminal, options: given }, signal }: { url: string; call: RunCall; signal: AbortSignal },
) {
  const output = new JobOutput(terminal, given.raw)
  const outages = new Outages(url, terminal.err)
  const job = client.job(id, {
    signal,
    onState: state => outages.onState(state),
    onNotice: notice => outages.onNotice(notice),
    async reload({ data: { reason, head } }) {
      await terminal.err.line(`sluice: output is missing (${reason}); it goes on after ${head}`)
    },
  })
  for await (const event of job.events) {
    if (event.type === 'job.started') {
      const { attempt, runner } = event.data
      if (attempt > 1) await terminal.err.line(`sluice: attempt ${attempt} begins, on the runner ${runner}`)
    }
    await output.write(event)
  }
  if (signal.aborted) return undefined
  const { status, result, attempt } = await job
  return { status, result, attempt }
}

async function cancel(client: Client, id: string, { terminal }: RunCall): Promise<void> {
  try {
    await terminal.err.line(`sluice: cancelling the job ${id}; Ctrl-C again leaves at once`)
    await client.jobs.cancel(id)
  } catch (error) {
    // It has ended by itself.
    if (error instanceof SluiceError && error.code === 'job-ended') return
    const reason = error instanceof Error ? error.message : String(error)
    await terminal.err.line(`sluice: the job ${id} could not be cancelled: ${reason}`)
  }
}

function variable(given: string, name: string): readonly [string, string] {
  const [, key, text] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(given) ?? []
  if (key !== undefined && text !== undefined) return [key, text]
  throw new UsageError(`${name} must be NAME=VALUE, with a name of letters, digits and _.`)
}
