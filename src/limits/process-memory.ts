/**
 * How full the memory of this process is, against the two limits that can end a process: V8's heap limit, and the
 * memory of the container or else the machine. A reading costs about 30 µs.
 */
import { totalmem } from 'node:os'
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { nodeFlags } from '../process/node-flags.js'
import { shortageIn } from '../process/shortage.js'

const MIB = 1024 * 1024
const OLD_SPACE_FLAG = /--max[-_]old[-_]space[-_]size[= ](\d+)/g
/**
 * V8 fails when its old objects exceed a limit, but reports the limit including the space for young objects: 48 to
 * 192 MiB, depending on its version, if the limit was set by hand, and up to a twentieth if V8 chose it.
 */
const OLD_SHARE = 0.9

/** In bytes. */
type Usage = Pick<NodeJS.MemoryUsage, 'rss' | 'heapTotal' | 'external'>

/** Shares of the limit, 0 to 1, and briefly more. */
export interface MemoryReading {
  /** The size of V8's old objects, including garbage that has not been collected yet. */
  readonly heap: number
  /** The memory that the system has given to this process and that the process still uses. */
  readonly resident: number
}

export class ProcessMemory {
  /** Bytes of old objects at which V8 ends the process. */
  readonly heapLimit: number
  readonly #residentLimit: number
  readonly #atStart = process.memoryUsage()
  #resident = 0

  /** @param processes the number of processes that share the memory of the container or machine, including this one. */
  constructor(processes: number) {
    this.heapLimit = heapLimitOf(getHeapStatistics().heap_size_limit, nodeFlags())
    this.#residentLimit = memoryOf(process.constrainedMemory(), totalmem()) / processes
  }

  read(): MemoryReading {
    return {
      heap: oldBytes() / this.heapLimit,
      resident: this.#readResident() / this.#residentLimit,
    }
  }

  /**
   * Node opens a file for this. Without a free descriptor, the last reading applies: the heap's size is known in any
   * case.
   */
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
 * Maximum bytes of old objects.
 * @param total V8's own figure: its limit for old and young objects together.
 * @param flags Node's flags; the last one counts.
 */
export function heapLimitOf(total: number, flags: string): number {
  const given = [...flags.matchAll(OLD_SPACE_FLAG)].at(-1)?.[1]
  return given === undefined || given === '0' ? total * OLD_SHARE : Number(given) * MIB
}

/**
 * The available bytes.
 * @param constrained the container's limit as Node reports it: 0, or an impossibly large number, if there is none.
 */
export function memoryOf(constrained: number, machine: number): number {
  return constrained > 0 ? Math.min(constrained, machine) : machine
}

/**
 * Much freed memory stays resident, because the allocator keeps it for the next allocation: the measure is at most
 * the memory at the start plus what is held beyond that.
 */
export function residentBytes({ rss, heapTotal, external }: Usage, start: Usage): number {
  return Math.min(rss, start.rss + (heapTotal - start.heapTotal) + (external - start.external))
}

/** Collects all garbage, and returns the duration in ms: about one for each MiB in use. */
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
