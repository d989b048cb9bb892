/**
 * A small lifelike stream of item changes for demonstrations: about one a second, for parts that are drawn, edited,
 * released and retired. It keeps no state of its own but reads an item before it changes it, so that it continues
 * from any state, beside people and other players, and after an outage of the database.
 *
 * Bounded: a fixed set of part numbers, which are reused, with MAX_REVISIONS revisions each.
 */
import type { Author } from '../src/auth/principal.js'
import type { Item } from '../src/items/item.js'
import type { Items } from '../src/items/items.js'
import { Problem } from '../src/problems/problem.js'
import { Backoff } from '../src/process/backoff.js'
import { elapsed } from '../src/process/deadline.js'

const MEAN_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 4_000
/** Pause between two attempts while the database is unavailable. */
const RETRY_MS = { minMs: 1_000, maxMs: 5_000 }

/** Part numbers per family. */
const FAMILY_SIZE = 7
/** An item with this many revisions is retired, and its part number is drawn again. */
const MAX_REVISIONS = 9

interface Family {
  readonly prefix: string
  readonly item_type: 'part' | 'assembly' | 'drawing'
  readonly names: readonly string[]
  readonly materials: readonly string[]
  /** The mass of a typical member. */
  readonly mass_kg: number
}

const FAMILIES: readonly Family[] = [
  {
    prefix: 'BRK',
    item_type: 'part',
    names: ['Bracket, left', 'Bracket, right', 'Bracket, slotted', 'Motor bracket'],
    materials: ['S235JR', '1.4301', 'EN AW-5754'],
    mass_kg: 0.8,
  },
  {
    prefix: 'SHF',
    item_type: 'part',
    names: ['Drive shaft', 'Idler shaft', 'Splined shaft', 'Hollow shaft'],
    materials: ['C45E', '42CrMo4', '1.4021'],
    mass_kg: 2.4,
  },
  {
    prefix: 'HSG',
    item_type: 'part',
    names: ['Gear housing', 'Bearing housing', 'Pump housing', 'Housing cover'],
    materials: ['EN-GJL-250', 'EN AC-43000', 'PA6-GF30'],
    mass_kg: 6.5,
  },
  {
    prefix: 'GSK',
    item_type: 'part',
    names: ['Cover gasket', 'Flange gasket', 'O-ring', 'Shaft seal'],
    materials: ['NBR 70', 'FKM 75', 'EPDM'],
    mass_kg: 0.02,
  },
  {
    prefix: 'ASM',
    item_type: 'assembly',
    names: ['Gear unit', 'Pump unit', 'Belt tensioner', 'Conveyor drive'],
    materials: ['mixed'],
    mass_kg: 18,
  },
  {
    prefix: 'DRW',
    item_type: 'drawing',
    names: ['Machining drawing', 'Weldment drawing', 'Layout', 'Exploded view'],
    materials: ['none'],
    mass_kg: 0,
  },
]

const RELEASES = [
  'Hole pattern moved by 2 mm',
  'Tolerance on bearing seat tightened to H7',
  'Material changed after fatigue test',
  'Chamfers added for assembly',
  'Weight reduced',
  'Released for series production',
  'Surface treatment specified',
]

export interface DemoOptions {
  /** Default `demo`. */
  readonly workspace?: string
  /** Milliseconds between two changes, on average. Default 1,000. */
  readonly meanPauseMs?: number
  /** Called once when changes start to fail, for example while the database is down. */
  readonly onError: (error: unknown) => void
}

export interface Demo {
  /** Resolves when the last change has ended. */
  close(): Promise<void>
}

/** Runs until it is closed. */
export function playDemo(items: Items, options: DemoOptions): Demo {
  const stop = new AbortController()
  const played = play(items, options, stop.signal)
  return {
    async close() {
      stop.abort()
      await played
    },
  }
}

async function play(items: Items, options: DemoOptions, signal: AbortSignal): Promise<void> {
  const { workspace = 'demo', meanPauseMs = MEAN_PAUSE_MS, onError } = options
  const author = { id: 'demo', workspace }
  const backoff = new Backoff(RETRY_MS)
  let failing = false
  while (!signal.aborted) {
    try {
      await change(items, author)
      failing = false
      backoff.reset()
    } catch (error) {
      // Another caller was faster with the same item; the next change reads it again.
      const lost = error instanceof Problem && error.status < 500
      if (!lost && !failing) onError(error)
      failing = !lost
    }
    await elapsed(failing ? backoff.next() : randomPause(meanPauseMs), signal)
  }
}

/** Picks one of the demo's part numbers and makes a possible next change; nothing else in the workspace is touched. */
async function change(items: Items, author: Author): Promise<void> {
  const family = pick(FAMILIES)
  const partNumber = `${family.prefix}-${String(1 + Math.floor(Math.random() * FAMILY_SIZE)).padStart(4, '0')}`
  const item = await find(items, author.workspace, partNumber)
  const die = Math.random()
  if (item === undefined) await draw(items, author, partNumber, family)
  else if (die < 0.12 || item.revision >= MAX_REVISIONS) await items.delete(author, partNumber, item.etag)
  else if (die < 0.4) await items.revise(author, partNumber, { comment: pick(RELEASES) }, item.etag)
  else await edit(items, author, item, family)
}

async function find(items: Items, workspace: string, partNumber: string): Promise<Item | undefined> {
  try {
    return (await items.get({ workspace }, partNumber)).value
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return undefined
    throw error
  }
}

async function draw(items: Items, author: Author, partNumber: string, family: Family): Promise<void> {
  await items.create(author, {
    part_number: partNumber,
    description: pick(family.names),
    item_type: family.item_type,
    properties: { material: pick(family.materials), mass_kg: vary(family.mass_kg) },
  })
}

async function edit(items: Items, author: Author, item: Item, family: Family): Promise<void> {
  const patch =
    Math.random() < 0.3
      ? { description: pick(family.names) }
      : {
          properties: { ...item.properties, material: pick(family.materials), mass_kg: vary(family.mass_kg) },
        }
  await items.update(author, item.part_number, patch, item.etag)
}

function pick<T>(from: readonly T[]): T {
  const picked = from[Math.floor(Math.random() * from.length)]
  if (picked === undefined) throw new RangeError('Cannot pick from an empty list.')
  return picked
}

/** Within 20 % of `typical`, to the gram. */
function vary(typical: number): number {
  return Math.round(typical * (0.8 + Math.random() * 0.4) * 1_000) / 1_000
}

/** Bursts and lulls: exponentially distributed, like the actions of independent people. */
function randomPause(mean: number): number {
  return Math.min(-Math.log(1 - Math.random()) * mean, LONGEST_PAUSE_MS)
}
