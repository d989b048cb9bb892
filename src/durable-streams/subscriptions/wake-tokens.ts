/**
 * The tokens by which a worker acknowledges: signed with HMAC-SHA256, good for one wake of one subscription, and useless for anything
 * else. The uid of the subscription is in them, not its id, so that they do not open another subscription of the same id.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

const KEY_BYTES = 32
const MAX_TOKEN_LENGTH = 512
/** A token ends then, however often its lease was extended. */
export const TOKEN_SECONDS = 24 * 60 * 60
const FORM = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/
const CONTENT = /^(callback|claim) ([0-9]{1,16}) ([0-9]{1,16}) ([0-9]{1,12}) (\S{1,128})$/

/** `callback` is for the receiver of a webhook, `claim` for a worker that has claimed. */
export type TokenUse = 'callback' | 'claim'

export interface TokenScope {
  readonly use: TokenUse
  /** The uid of the subscription. */
  readonly uid: number
  readonly generation: number
  /** Its workspace, which the caller does not authenticate otherwise. */
  readonly workspace: string
}

export class WakeTokens {
  readonly #keys: readonly Buffer[]

  /** @param secrets the first one signs, all of them verify. */
  constructor(secrets: readonly [string, ...string[]]) {
    this.#keys = secrets.map(secret =>
      Buffer.from(hkdfSync('sha256', secret, '', 'sluice durable wake tokens', KEY_BYTES)),
    )
  }

  /** @param nowMs milliseconds since 1970. */
  mint({ use, uid, generation, workspace }: TokenScope, nowMs = Date.now()): string {
    const expires = Math.floor(nowMs / 1_000) + TOKEN_SECONDS
    const content = Buffer.from(`${use} ${uid} ${generation} ${expires} ${workspace}`).toString('base64url')
    return `${content}.${this.#mac(this.#keys[0], content).toString('base64url')}`
  }

  /** Undefined for a text that is no token of ours, of another use, or of the past. */
  verify(token: string, use: TokenUse, nowMs = Date.now()): TokenScope | undefined {
    const [, content, mac] = (token.length <= MAX_TOKEN_LENGTH && FORM.exec(token)) || []
    if (content === undefined || mac === undefined) return undefined
    const given = Buffer.from(mac, 'base64url')
    const isOurs = this.#keys.some(key => timingSafeEqual(given, this.#mac(key, content)))
    const parts = isOurs ? CONTENT.exec(Buffer.from(content, 'base64url').toString()) : null
    if (!parts) return undefined
    const [, found, uid, generation, expires, workspace = ''] = parts
    if (found !== use || Number(expires) * 1_000 <= nowMs) return undefined
    return { use, uid: Number(uid), generation: Number(generation), workspace }
  }

  #mac(key: Buffer | undefined, content: string): Buffer {
    if (!key) throw new Error('There is no key for wake tokens.')
    return createHmac('sha256', key).update(content).digest()
  }
}
