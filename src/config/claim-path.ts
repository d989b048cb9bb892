/**
 * Where a token holds a claim, as a setting names it: `role`; `realm_access.roles`, members of members;
 * `https://example.com/claims/role`, one name, because a text with `:` or `/` is not split; or a JSON array of names, for any
 * other. The text alone decides, never the token: a caller that can add claims to its tokens gains nothing by their names.
 */

/** The names of members, from the outside inwards. */
export type ClaimPath = readonly string[]

/** Deeper than any issuer nests its claims. */
const MAX_NAMES = 8
const ONE_NAME = /[:/]/

/** The claim that limits a token to some streams and types. A token with other members in it is refused. */
export const GRANTS_CLAIM = 'sluice'

/** The path of a text without `claimPathFault`. */
export function claimPath(text: string): ClaimPath {
  if (text.startsWith('[')) return arrayOfTexts(text)
  return ONE_NAME.test(text) ? [text] : text.split('.')
}

/** The error in a setting of this name, with the remedy, if there is one. */
export function claimPathFault(setting: string, text: string): string | undefined {
  const names = claimPath(text)
  if (names[0] === GRANTS_CLAIM)
    return `${setting} is in the claim ${GRANTS_CLAIM}, which holds the grants of a token and nothing else. Let your issuer write it into another claim.`
  if (names.length > 0 && names.length <= MAX_NAMES && !names.includes('')) return undefined
  return `${setting} names no claim. Write a name such as role, a path such as realm_access.roles, or a JSON array of 1 to ${MAX_NAMES} names.`
}

function arrayOfTexts(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every(name => typeof name === 'string') ? value : []
  } catch {
    return []
  }
}
