/** The commands of `sluice item` that change an item. */
import { UsageError } from '../../../src/process/usage.js'
import { command } from '../declaration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { jsonObject, readArgument } from '../json-argument.js'
import { flag, required, text, value } from '../option.js'
import { shown } from '../shown.js'

const EXIT_CODES = '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers'
const PART = { name: 'PART_NUMBER', help: 'the part number of an item' }
const json = flag('--json', 'print JSON')
const properties = value('--properties JSON', 'a JSON object, @FILE, or - for standard input', {
  parse: text,
})
const ifMatch = value('--if-match ETAG', 'only if this is still the etag of the item', { parse: text })
const declared = { notes: GATEWAY_NOTES, exitCodes: EXIT_CODES }

export const createCommand = command({
  description: 'Creates an item, and shows it.',
  args: [PART],
  options: {
    description: required('--description TEXT', 'its description', { parse: text }),
    type: required('--type TYPE', 'its type, such as part', { parse: text }),
    properties,
    json,
    ...gatewayOptions,
  },
  examples: [
    "sluice item create A01-0001 --type part --description 'Bracket, left'",
    `sluice item create A01-0002 --type part --description Bolt --properties '{"mass_kg":0.1}'`,
  ],
  ...declared,
  async run(call) {
    const { description, type: item_type, json } = call.options
    const [part_number = ''] = call.args
    const more = await propertiesOf(call.options.properties)
    return await withGateway(call, async ({ client }) => {
      const item = await client.items.create({ part_number, description, item_type, ...more })
      await call.terminal.out.write(shown(item, json))
      return undefined
    })
  },
})

export const updateCommand = command({
  description: 'Changes the given fields of an item, and shows it. --properties replaces all properties.',
  args: [PART],
  options: {
    description: value('--description TEXT', 'its new description', { parse: text }),
    type: value('--type TYPE', 'its new type', { parse: text }),
    properties,
    ifMatch,
    json,
    ...gatewayOptions,
  },
  examples: ["sluice item update A01-0001 --description 'Bracket, right'"],
  ...declared,
  async run(call) {
    const { description, type, ifMatch, json } = call.options
    const [part = ''] = call.args
    const patch = {
      ...(description !== undefined && { description }),
      ...(type !== undefined && { item_type: type }),
      ...(await propertiesOf(call.options.properties)),
    }
    if (Object.keys(patch).length === 0) {
      throw new UsageError('Nothing to change: give --description, --type or --properties.')
    }
    return await withGateway(call, async ({ client }) => {
      await call.terminal.out.write(shown(await client.items.update(part, patch, { ifMatch }), json))
      return undefined
    })
  },
})

export const deleteCommand = command({
  description: 'Deletes an item.',
  args: [PART],
  options: { ifMatch, ...gatewayOptions },
  examples: ['sluice item delete A01-0001'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [part = ''] = call.args
      await client.items.delete(part, { ifMatch: call.options.ifMatch })
      await call.terminal.err.line(`The item ${part} is deleted.`)
      return undefined
    }),
})

export const releaseCommand = command({
  description: 'Releases the item under its next revision, and shows the revision.',
  args: [PART],
  options: {
    comment: required('--comment TEXT', 'what has changed', { parse: text }),
    properties,
    ifMatch,
    json,
    ...gatewayOptions,
  },
  examples: ["sluice item release A01-0001 --comment 'Thread changed to M8'"],
  ...declared,
  async run(call) {
    const { comment, ifMatch, json } = call.options
    const [part = ''] = call.args
    const more = await propertiesOf(call.options.properties)
    return await withGateway(call, async ({ client }) => {
      const revision = await client.items.release(part, { comment, ...more }, { ifMatch })
      await call.terminal.out.write(shown(revision, json))
      return undefined
    })
  },
})

async function propertiesOf(given: string | undefined) {
  return given === undefined
    ? {}
    : { properties: jsonObject(await readArgument(given, '--properties'), '--properties') }
}
