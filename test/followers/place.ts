/** The streams that followers follow. */

export interface Place {
  readonly workspace: string
  readonly stream: string
}

/** The event that ends a stream: the last one in it. */
export const END = 'check.end'

/** As the checker names it: `<workspace>/<stream>`. */
export function nameOf({ workspace, stream }: Place): string {
  return `${workspace}/${stream}`
}
