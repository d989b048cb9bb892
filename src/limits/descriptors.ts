/**
 * How many connections this process has file descriptors for, and when there are none left. A process that spends its last
 * descriptor on a client cannot reach its database any more, nor open a file; so some are kept for that.
 */
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import type { Logger } from '../logging/logger.js'
import { shortageIn } from '../process/shortage.js'

/** For files, pipes and name look-ups, beside the connections to the database. */
const RESERVED = 32
/** Of the connections, what streams leave to requests: a tenth, but not more than so many. */
const REQUESTS_SHARE = 0.1
const MOST_FOR_REQUESTS = 256
/** So long nothing must have been refused before the shortage is over: one that comes and goes is logged once. */
const QUIET_MS = 10_000

export interface DescriptorRoom {
  /** Connections of clients at most. */
  readonly connections: number
  /** Of these, how many may be streams. */
  readonly streams: number
}

const UNLIMITED: DescriptorRoom = {
  connections: Number.POSITIVE_INFINITY,
  streams: Number.POSITIVE_INFINITY,
}

/**
 * @param limit file descriptors that the process may have.
 * @param held those that it has before it takes connections.
 * @param outgoing connections that it opens itself, at most.
 */
function roomWithin(limit: number, held: number, outgoing: number): DescriptorRoom {
  const free = Math.max(0, limit - held)
  // Under a limit that is far too low half is left to clients, or nobody would be served.
  const connections = Math.max(1, free - outgoing - RESERVED, Math.floor(free / 2))
  const forRequests = Math.min(MOST_FOR_REQUESTS, Math.ceil(connections * REQUESTS_SHARE))
  return { connections, streams: Math.max(1, connections - forRequests) }
}

export interface DescriptorsOptions {
  readonly outgoing: number
  readonly logger: Logger
  /** The limit; undefined where it is not known or there is none. Default: what the system tells. */
  readonly readLimit?: () => number | undefined
  /** Default Date.now. */
  readonly now?: () => number
}

export class Descriptors {
  readonly #options: Required<DescriptorsOptions>
  readonly #held = heldNow()
  #limit: number | undefined
  #room = UNLIMITED
  #refusedAt: number | undefined

  constructor(options: DescriptorsOptions) {
    this.#options = { readLimit: readDescriptorLimit, now: Date.now, ...options }
    this.#read()
  }

  get limit(): number | undefined {
    return this.#limit
  }

  get room(): DescriptorRoom {
    return this.#room
  }

  /** To be called every second or so. */
  check(): void {
    try {
      this.#read()
    } catch (error) {
      if (shortageIn(error) === undefined) throw error
      this.refused()
    }
    const { logger, now } = this.#options
    if (this.#refusedAt === undefined || now() - this.#refusedAt < QUIET_MS) return
    this.#refusedAt = undefined
    logger.info({}, 'There are enough file descriptors again.')
  }

  /** A connection was refused for want of descriptors. */
  refused(): void {
    const { logger, now } = this.#options
    if (this.#refusedAt === undefined) {
      const remedy = 'Raise the limit of open files (ulimit -n, LimitNOFILE=).'
      logger.warn(
        { limit: this.#limit },
        `File descriptors are short: new connections are closed, open ones stay. ${remedy}`,
      )
    }
    this.#refusedAt = now()
  }

  /** The limit can be changed from outside while the process runs. */
  #read(): void {
    this.#limit = this.#options.readLimit()
    this.#room =
      this.#limit === undefined ? UNLIMITED : roomWithin(this.#limit, this.#held, this.#options.outgoing)
  }
}

/**
 * The soft limit, which Node raises to the hard one when it starts. Only Linux tells it; elsewhere the look costs a descriptor
 * all the same, and so finds that there is none.
 * @throws EMFILE or ENFILE where no descriptor is left.
 */
function readDescriptorLimit(): number | undefined {
  if (process.platform !== 'linux') {
    closeSync(openSync(devNull, 'r'))
    return undefined
  }
  const [, soft] = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return soft === undefined || soft === 'unlimited' ? undefined : Number(soft)
}

function heldNow(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
}
