/** Reads and writes a claim that is nested in the claims of a token. */
import type { ClaimPath } from '../../config/claim-path.js'

/** Undefined if it is not there. Only members of the token count, not what every object inherits. */
export function claimAt(claims: object, path: ClaimPath): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? Reflect.get(value, name)
        : undefined,
    claims,
  )
}

/** The claims with one more; claims that share the beginning of a path share its objects. */
export function withClaim(claims: object, [name, ...rest]: ClaimPath, value: unknown): object {
  if (name === undefined) return claims
  const inner: unknown = Object.hasOwn(claims, name) ? Reflect.get(claims, name) : undefined
  const nested =
    rest.length === 0 ? value : withClaim(typeof inner === 'object' && inner ? inner : {}, rest, value)
  return { ...claims, [name]: nested }
}

/** The path as messages show it. */
export function shownPath(path: ClaimPath): string {
  return `\`${path.join('.')}\``
}
