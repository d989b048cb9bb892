/** The changes between two JSON objects, as paths with the values before and after. */
export interface Difference {
  /** `size.width`, `tags[2]`; names that are no identifiers are quoted: `["a b"]`. */
  readonly path: string
  /** Undefined: the path did not exist. */
  readonly before: unknown
  readonly after: unknown
}

const NAME = /^[A-Za-z_$][\w$-]*$/

/** In the order of the older object, then the paths that only the newer one has. Both have at most 32 levels. */
export function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (isObject(before) && isObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    return [...names].flatMap(name =>
      differences(own(before, name), own(after, name), path + step(path, name)),
    )
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length)
    return Array.from({ length }, (_, index) => index).flatMap(index =>
      differences(before[index], after[index], `${path}[${index}]`),
    )
  }
  return isSame(before, after) ? [] : [{ path, before, after }]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Not what every object inherits, such as `constructor`. */
function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function step(path: string, name: string): string {
  if (!NAME.test(name)) return `[${JSON.stringify(name)}]`
  return path === '' ? name : `.${name}`
}

function isSame(before: unknown, after: unknown): boolean {
  return before === after || (before !== undefined && JSON.stringify(before) === JSON.stringify(after))
}
