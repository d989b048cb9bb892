/** `sluice publish`: one event from the arguments, or many from lines of JSON. */
import { randomUUID } from 'node:crypto'
import { createReadStream, fstatSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { UsageError } from '../../../src/process/usage.js'
import { type Call, command } from '../declaration.js'
import { type Connection, withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { jsonObject, readArgument } from '../json-argument.js'
import { flag, integer, type Parse, text, value, valueOr } from '../option.js'
import { EventImport } from '../publish/event-import.js'

const STANDARD_INPUT = '-'
/** Delays of 1 s, doubling to 30 s: a minute and a half. */
const ATTEMPTS = 8

const options = {
  stream: value('--stream NAME', 'the stream (feed)', { parse: text }),
  key: value(
    '--key KEY',
    'idempotency key of the event, or of the import: repeating the command within 24 hours publishes nothing twice',
    { parse: idempotencyKey },
  ),
  expectedHead: value(
    '--expected-head ID',
    'publish only if this event is still the newest of the stream; 0: if it never had one. One event only',
    { parse: text },
  ),
  batch: valueOr('--batch N', 'events in one request of an import, 1 to 1000 (500)', 500, {
    parse: integer(1, 1_000),
  }),
  fromLine: valueOr('--from-line N', 'skip the lines of an import before this one (1)', 1, {
    parse: integer(1, 999_999_999),
  }),
  json: flag('--json', 'write each stored event as JSON, instead of the id of a single one'),
  ...gatewayOptions,
}

export const publishCommand = command({
  description: `Publishes an event of this type, and writes its event id. DATA is a JSON object: the text itself, @FILE, or - for
standard input; default: {}. With - or @FILE as TYPE, it publishes the lines of standard input or of a file, each
{"type":"…","data":{…}}, in batches and in their order.`,
  args: [
    { name: 'TYPE', help: 'the type of the event; or - or @FILE for lines of events' },
    { name: 'DATA', help: 'the data: a JSON object, @FILE, or -', isOptional: true },
  ],
  options,
  examples: [
    `sluice publish door.opened '{"door":7}'`,
    'sluice publish report.finished @report.json --stream reports --key report-2026-11-26',
    'sluice publish - --key import-1 < events.ndjson',
    `jq -c '{type:"order.placed",data:.}' orders.json | sluice publish -`,
  ],
  notes: `A request that fails is repeated with the same idempotency key, for about a minute and a half. If an import ends early, it says
which lines are published and how to continue. A line that is no event ends it: nothing of its batch is published. With --key, only full
batches are sent; without, also when the input pauses.

${GATEWAY_NOTES}`,
  exitCodes:
    '0 everything is published, 1 failed or a line is no event, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers, 130 Ctrl-C',
  async run(call) {
    const [type = ''] = call.args
    const isImport = type === STANDARD_INPUT || type.startsWith('@')
    const work = isImport ? await importing(call, type) : await single(call, type)
    return await withGateway(call, work, { attempts: ATTEMPTS })
  },
})

type PublishCall = Call<typeof options>
type Work = (connection: Connection) => Promise<number | undefined>

async function single(
  { options: given, args, terminal, interruption }: PublishCall,
  type: string,
): Promise<Work> {
  if (given.fromLine !== 1)
    throw new UsageError('--from-line is for lines of events: give - or @FILE as TYPE.')
  const [, data] = args
  const event = { type, data: data === undefined ? {} : jsonObject(await readArgument(data, 'DATA'), 'DATA') }
  const { stream, key = randomUUID(), expectedHead, json } = given
  return async ({ client }) => {
    const signal = interruption()
    const [stored] = await client.publish(event, { stream, idempotencyKey: key, expectedHead, signal })
    await terminal.out.line(json ? JSON.stringify(stored) : (stored?.id ?? ''))
    return undefined
  }
}

async function importing(call: PublishCall, source: string): Promise<Work> {
  const { options: given, args, terminal, interruption } = call
  if (args.length > 1) throw new UsageError('Too many arguments: the lines have the data.')
  if (given.expectedHead !== undefined) throw new UsageError('--expected-head is for one event only.')
  const { input, total } = await opened(source)
  const { stream, batch, fromLine, json, key } = given
  return async ({ client }) => {
    const signal = interruption()
    await new EventImport({
      ...{ client, terminal, input, total, stream, batch, fromLine, json, signal },
      key: key ?? randomUUID(),
      isRepeatable: key !== undefined,
    }).run()
    return undefined
  }
}

/** The input and, if it is a file, its size. */
async function opened(
  source: string,
): Promise<{ input: AsyncIterable<Uint8Array>; total: number | undefined }> {
  if (source === STANDARD_INPUT) {
    const stats = fstatSync(0)
    return { input: process.stdin, total: stats.isFile() ? stats.size : undefined }
  }
  const path = source.slice(1)
  const file = await open(path).catch(error => {
    throw new UsageError(`TYPE: ${error.message}.`)
  })
  const stats = await file.stat()
  if (stats.isDirectory()) {
    await file.close()
    throw new UsageError(`TYPE: ${path} is a folder, not a file with lines of events.`)
  }
  const { size } = stats
  return { input: createReadStream(path, { fd: file }), total: size }
}

/** The number of a line is added to it. */
function idempotencyKey(given: string, name: string): ReturnType<Parse<string>> {
  if (/^[\x21-\x7e]{1,240}$/.test(given)) return given
  throw new UsageError(`${name} must have 1 to 240 visible ASCII characters, without spaces.`)
}
