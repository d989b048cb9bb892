/**
 * How full the memory of this process is, against both limits that end a process: the one at which V8 gives up, and what
 * the container, or else the machine, has. A reading costs some 30 µs.
 */
import { totalmem } from 'node:os'
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { shortageIn } from '../process/shortage.js'

const MIB = 1024 * 1024
const OLD_SPACE_FLAG = /--max[-_]old[-_]space[-_]size[= ](\d+)/g
/**
 * V8 gives up over its old objects, and tells their limit with the room for young ones added: 48 to 192 MiB by its version
 * where the limit was set by hand, up to a twentieth where V8 chose it.
 */
const OLD_SHARE = 0.9

/** In bytes. */
type Usage = Pick<NodeJS.MemoryUsage, 'rss' | 'heapTotal' | 'external'>

/** Shares of the limit, 0 to 1 and, for a moment, beyond. */
export interface MemoryReading {
  /** What V8 holds of old objects, with the garbage among them that it has not collected yet. */
  readonly heap: number
  /** What the system has given to this process and it still uses. */
  readonly resident: number
}

export class ProcessMemory {
  /** Bytes of old objects at which V8 ends the process. */
  readonly heapLimit: number
  readonly #residentLimit: number
  readonly #atStart = process.memoryUsage()
  #resident = 0

  /** @param processes that share the memory of the container or machine, this one included. */
  constructor(processes: number) {
    this.heapLimit = heapLimitOf(getHeapStatistics().heap_size_limit, flags())
    this.#residentLimit = memoryOf(process.constrainedMemory(), totalmem()) / processes
  }

  read(): MemoryReading {
    return {
      heap: oldBytes() / this.heapLimit,
      resident: this.#readResident() / this.#residentLimit,
    }
  }

  /** Node opens a file for this. Without a free descriptor what was read last counts: the heap is known all the same. */
  #readResident(): number {
    try {
      this.#resident = residentBytes(process.memoryUsage(), this.#atStart)
    } catch (error) {
      if (shortageIn(error) === undefined) throw error
    }
    return this.#resident
  }
}

/**
 * Bytes of old objects at most.
 * @param total what V8 tells: its limit for old and young ones together.
 * @param flags that Node was started with; the last one counts.
 */
export function heapLimitOf(total: number, flags: string): number {
  const given = [...flags.matchAll(OLD_SPACE_FLAG)].at(-1)?.[1]
  return given === undefined || given === '0' ? total * OLD_SHARE : Number(given) * MIB
}

/**
 * Bytes that there are.
 * @param constrained limit of the container, as Node tells it: 0, or more than there can be, where there is none.
 */
export function memoryOf(constrained: number, machine: number): number {
  return constrained > 0 ? Math.min(constrained, machine) : machine
}

/**
 * Of what was given and freed again much stays resident, because the allocator keeps it for the next one who asks: what
 * counts is no more than the start had and what is held beyond that.
 */
export function residentBytes({ rss, heapTotal, external }: Usage, start: Usage): number {
  return Math.min(rss, start.rss + (heapTotal - start.heapTotal) + (external - start.external))
}

/** Collects all garbage now, and tells how many ms that took: about one for each MiB that is in use. */
export function collectGarbage(): number {
  const start = performance.now()
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return performance.now() - start
}

function oldBytes(): number {
  let bytes = 0
  for (const { space_name, space_used_size } of getHeapSpaceStatistics()) {
    if (!space_name.startsWith('new')) bytes += space_used_size
  }
  return bytes
}

/** Of Node, not of Sluice: V8 does not tell the limit of old objects alone. */
function flags(): string {
  return [process.env.NODE_OPTIONS ?? '', ...process.execArgv].join(' ')
}
