/**
 * Signed links to the files of jobs: a path in the workspace's directory, an expiry, and a signature over both. A link opens
 * this one file until it expires, without a token, and cannot be forged. A link for an API key names the key and the run, and works
 * only while the key is valid and its grants allow the run, and only from the key's addresses.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { Problem } from '../problems/problem.js'

/** The form of links: `<prefix>/<workspace>/<path>?expires=<seconds since 1970>[&key=<id>&run=<id>]&signature=<base64url>`. */
export const ARTIFACTS_PREFIX = '/api/v1/artifacts'
const LINK_LIFETIME_S = 15 * 60
const MAX_PATH_LENGTH = 512
const KEY_BYTES = 32
/** No hidden file, no `..`, and no character that is a separator on one operating system and part of a name on another. */
const PATH = /^(?!\.)[^\p{Cc}\p{Cs}/\\:]+(?:\/(?!\.)[^\p{Cc}\p{Cs}/\\:]+)*$/u

export interface SignedLink {
  readonly workspace: string
  readonly path: string
  /** Seconds since 1970. */
  readonly expires: number
  /** Id of the API key that the link was made for. */
  readonly key?: string
  /** Id of the run that the key has read the link in. */
  readonly run?: string
  readonly signature: string
}

/** The API key for which a link is made, and the run whose snapshot has the link. */
export type LinkHolder = Required<Pick<SignedLink, 'key' | 'run'>>

/** Whether a path may name an artifact: relative, within its directory, and not hidden. */
export function isArtifactPath(path: unknown): path is string {
  return typeof path === 'string' && path.length <= MAX_PATH_LENGTH && PATH.test(path)
}

export class ArtifactLinks {
  /** The first signs. A link of the others is valid until it expires. */
  readonly #keys: readonly [Buffer, ...Buffer[]]
  readonly #prefix: string

  /**
   * @param secret may also sign tokens: the key is derived from it and signs links only.
   * @param prefix path under which the gateway is mounted. A link of one gateway is not valid in another with the same secret.
   * @param previous the secret that `secret` replaces: its links are valid too.
   */
  constructor(secret: string, prefix = '', previous?: string) {
    const keyOf = (text: string) =>
      Buffer.from(hkdfSync('sha256', text, '', `sluice artifact links${prefix}`, KEY_BYTES))
    this.#keys = [keyOf(secret), ...(previous === undefined ? [] : [keyOf(previous)])]
    this.#prefix = prefix
  }

  /**
   * The path and query of a link that is valid for 15 minutes from `now`, in ms since 1970.
   * @param holder of a caller that uses an API key.
   */
  sign(workspace: string, path: string, now: number, holder?: LinkHolder): string {
    const expires = Math.floor(now / 1_000) + LINK_LIFETIME_S
    const place = [workspace, ...path.split('/')].map(encodeURIComponent).join('/')
    const held = holder === undefined ? '' : `&key=${holder.key}&run=${encodeURIComponent(holder.run)}`
    const signature = signatureOf(this.#keys[0], { workspace, path, expires, ...holder })
    return `${this.#prefix}${ARTIFACTS_PREFIX}/${place}?expires=${expires}${held}&signature=${signature}`
  }

  /**
   * @param now in ms since 1970.
   * @throws {Problem} 403 `link-invalid`, 410 `link-expired`.
   */
  verify({ signature, ...link }: SignedLink, now: number): void {
    const given = Buffer.from(signature)
    const fits = this.#keys.some(key => {
      const expected = Buffer.from(signatureOf(key, link))
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
    if (!fits) throw linkInvalid()
    if (now / 1_000 >= link.expires) {
      throw new Problem(
        410,
        'link-expired',
        'This link has expired. Get a new one from the snapshot of the run.',
      )
    }
  }
}

function signatureOf(
  signing: Buffer,
  { workspace, path, expires, key, run }: Omit<SignedLink, 'signature'>,
): string {
  // JSON separates the parts, so no two links have the same text.
  const text = JSON.stringify([workspace, path, expires, key, run].filter(part => part !== undefined))
  return createHmac('sha256', signing).update(text).digest('base64url')
}

/** The same answer for a forged link and for one that is not valid for this caller. */
export function linkInvalid(): Problem {
  return new Problem(
    403,
    'link-invalid',
    'This link is not valid here, or not for you. Get one from the snapshot of a run.',
  )
}
