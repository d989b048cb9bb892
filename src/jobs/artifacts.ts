/**
 * Links to files that jobs have left behind: a path in the folder of a workspace, an expiry, and a signature over all of
 * it. A link fetches that one file until then, without a token; nobody can make one up. A link that an API key was given
 * names the key, and is good only while the key is, and where it is.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { Problem } from '../problems/problem.js'

/** Where links lead: `<prefix>/<workspace>/<path>?expires=<seconds since 1970>[&key=<id>]&signature=<base64url>`. */
export const ARTIFACTS_PREFIX = '/api/v1/artifacts'
const LINK_LIFETIME_S = 15 * 60
const MAX_PATH_LENGTH = 512
const KEY_BYTES = 32
/** No hidden file, no way up, and nothing that one operating system reads as a separator and another as a name. */
const PATH = /^(?!\.)[^\p{Cc}\p{Cs}/\\:]+(?:\/(?!\.)[^\p{Cc}\p{Cs}/\\:]+)*$/u

export interface SignedLink {
  readonly workspace: string
  readonly path: string
  /** Seconds since 1970. */
  readonly expires: number
  /** The id of the API key that it was made for. */
  readonly key?: string
  readonly signature: string
}

/** Whether this names a file that may be an artifact: relative, below its folder, and not hidden. */
export function isArtifactPath(path: unknown): path is string {
  return typeof path === 'string' && path.length <= MAX_PATH_LENGTH && PATH.test(path)
}

export class ArtifactLinks {
  readonly #key: Buffer

  /** @param secret may be one that signs tokens as well: the key is derived, and proves nothing but links. */
  constructor(secret: string) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'sluice artifact links', KEY_BYTES))
  }

  /**
   * The path and query of a link that is good for 15 minutes from `now`, in ms since 1970.
   * @param key the API key that asks for it, if it is one.
   */
  sign(workspace: string, path: string, now: number, key?: string): string {
    const expires = Math.floor(now / 1_000) + LINK_LIFETIME_S
    const place = [workspace, ...path.split('/')].map(encodeURIComponent).join('/')
    const query = key === undefined ? `expires=${expires}` : `expires=${expires}&key=${key}`
    return `${ARTIFACTS_PREFIX}/${place}?${query}&signature=${this.#signature(workspace, path, expires, key)}`
  }

  /**
   * @param now in ms since 1970.
   * @throws {Problem} 403 `link-invalid`, 410 `link-expired`.
   */
  verify({ workspace, path, expires, key, signature }: SignedLink, now: number): void {
    const expected = Buffer.from(this.#signature(workspace, path, expires, key))
    const given = Buffer.from(signature)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw linkInvalid()
    }
    if (now / 1_000 >= expires) {
      throw new Problem(
        410,
        'link-expired',
        'This link has expired. Take a new one from the snapshot of the run.',
      )
    }
  }

  #signature(workspace: string, path: string, expires: number, key: string | undefined): string {
    // JSON keeps the parts apart: no two links have the same text.
    const text = JSON.stringify([workspace, path, expires, ...(key === undefined ? [] : [key])])
    return createHmac('sha256', this.#key).update(text).digest('base64url')
  }
}

/** One answer for a link that was made up and for one that is not good here. */
export function linkInvalid(): Problem {
  return new Problem(
    403,
    'link-invalid',
    'This link was not made here, or is not good for you. Take one from the snapshot of a run.',
  )
}
