/**
 * How many connections the process has file descriptors for, and when none are left. A process that spends its last
 * descriptor on a client can no longer reach its database or open a file, so some are reserved for that.
 */
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import type { Logger } from '../logging/logger.js'
import { shortageIn } from '../process/shortage.js'

/** Reserved for files, pipes and name look-ups, in addition to the connections to the database. */
const RESERVED = 32
/** The connections that streams leave to requests: a tenth, but at most this many. */
const REQUESTS_SHARE = 0.1
const MOST_FOR_REQUESTS = 256
/** The shortage is over when nothing has been refused for this long, so that one that comes and goes is logged once. */
const QUIET_MS = 10_000

export interface DescriptorRoom {
  /** Maximum number of client connections. */
  readonly connections: number
  /** How many of these may be streams. */
  readonly streams: number
}

const UNLIMITED: DescriptorRoom = {
  connections: Number.POSITIVE_INFINITY,
  streams: Number.POSITIVE_INFINITY,
}

/**
 * @param limit file descriptors that the process may have.
 * @param held descriptors that it has before it accepts connections.
 * @param outgoing maximum number of connections that it opens itself.
 */
function roomWithin(limit: number, held: number, outgoing: number): DescriptorRoom {
  const free = Math.max(0, limit - held)
  // If the limit is far too low, clients still get half of it, or nobody would be served.
  const connections = Math.max(1, free - outgoing - RESERVED, Math.floor(free / 2))
  const forRequests = Math.min(MOST_FOR_REQUESTS, Math.ceil(connections * REQUESTS_SHARE))
  return { connections, streams: Math.max(1, connections - forRequests) }
}

export interface DescriptorsOptions {
  readonly outgoing: number
  readonly logger: Logger
  /** The limit; undefined if it is unknown or does not exist. Default: the system's. */
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

  /** Call this about once a second. */
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

  /** A connection was refused for lack of descriptors. */
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
 * The soft limit, which Node raises to the hard one when it starts. Only Linux reports it; on other systems the
 * attempt still needs a descriptor, and so detects that there is none.
 * @throws EMFILE or ENFILE if no descriptor is left.
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
