/** `sluice item`: the items of the workspace and their revisions. */
import { command, type Noun } from '../declaration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { flag, integer, text, value, valueOr } from '../option.js'
import { shown, writeList } from '../shown.js'

const EXIT_CODES = '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers'
const PART = { name: 'PART_NUMBER', help: 'the part number of an item' }
const json = flag('--json', 'print JSON')
const limit = valueOr('--limit N', 'at most this many (100)', 100, { parse: integer(1, 1_000_000) })
const declared = { notes: GATEWAY_NOTES, exitCodes: EXIT_CODES }

const listCommand = command({
  description: 'Lists the items of the workspace.',
  options: {
    type: value('--type TYPE', 'only items of this type', { parse: text }),
    search: value('--search TEXT', 'only items with this text in the part number or the description', {
      parse: text,
    }),
    limit,
    json: flag('--json', 'print one JSON document per line'),
    ...gatewayOptions,
  },
  examples: ['sluice item list --type part --search bracket', 'sluice item list --json | jq .part_number'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const { type, search, limit, json } = call.options
      const listed = client.items.list({ item_type: type, search, limit: Math.min(limit, 200) })
      await writeList(listed, call.terminal.out, {
        limit,
        json,
        head: ['PART NUMBER', 'TYPE', 'REVISION', 'UPDATED', 'DESCRIPTION'],
        row: item => [
          item.part_number,
          item.item_type,
          String(item.revision),
          item.updated_at,
          item.description,
        ],
      })
      return undefined
    }),
})

const getCommand = command({
  description: 'Shows an item.',
  args: [PART],
  options: { json, ...gatewayOptions },
  examples: ['sluice item get A01-0001'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [part = ''] = call.args
      const { head: _, ...item } = await client.items.get(part)
      await call.terminal.out.write(shown(item, call.options.json))
      return undefined
    }),
})

const revisionsCommand = command({
  description: 'Lists the revisions of an item, newest first.',
  args: [PART],
  options: { limit, json: flag('--json', 'print one JSON document per line'), ...gatewayOptions },
  examples: ['sluice item revisions A01-0001'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [part = ''] = call.args
      const { limit, json } = call.options
      const listed = client.items.revisions(part, { limit: Math.min(limit, 200) })
      await writeList(listed, call.terminal.out, {
        limit,
        json,
        head: ['REVISION', 'AT', 'ACTOR', 'COMMENT'],
        row: ({ revision_number, at, actor, comment }) => [String(revision_number), at, actor, comment],
      })
      return undefined
    }),
})

export const itemNoun: Noun = {
  description: 'Shows and changes the items of the workspace. Each change is an event on the feed.',
  commands: [
    { name: 'list', summary: 'list items', load: () => listCommand },
    { name: 'get', summary: 'show an item', load: () => getCommand },
    { name: 'create', summary: 'create an item', load: async () => (await changes()).createCommand },
    { name: 'update', summary: 'change an item', load: async () => (await changes()).updateCommand },
    { name: 'delete', summary: 'delete an item', load: async () => (await changes()).deleteCommand },
    { name: 'revisions', summary: 'list the revisions of an item', load: () => revisionsCommand },
    {
      name: 'release',
      summary: 'release the next revision',
      load: async () => (await changes()).releaseCommand,
    },
  ],
  exitCodes: EXIT_CODES,
}

function changes() {
  return import('./item-changes.js')
}
