/** Where a filter looks: the type of the event, or a place in its data. */

/** Names of members of objects, and indexes of elements of arrays, from 0. */
export type Step = string | number

export const MAX_STEPS = 16

export interface Path {
  /** Equal for equal paths. */
  readonly key: string
  /** Empty for the type. */
  readonly steps: readonly Step[]
}

export const TYPE: Path = { key: 'type', steps: [] }

export function dataPath(steps: readonly Step[]): Path {
  return { key: `data${steps.map(step => `[${JSON.stringify(step)}]`).join('')}`, steps }
}

/** Paths that begin alike share their beginning, so that one scan of a text finds the values of all. */
export interface PathTree {
  /** Numbers of the paths that end here. */
  readonly ends: number[]
  readonly names: Map<string, PathTree>
  readonly indexes: Map<number, PathTree>
  /** The lengths of the names: most names in an event have another one, and need no comparison. */
  readonly lengths: Set<number>
}

/** @param paths a path's number is its place in this list. */
export function treeOf(paths: readonly Path[]): PathTree {
  const root = emptyTree()
  for (const [number, { steps }] of paths.entries()) {
    if (steps.length === 0) continue
    let tree = root
    for (const step of steps) tree = branchOf(tree, step)
    tree.ends.push(number)
  }
  return root
}

function branchOf({ names, indexes, lengths }: PathTree, step: Step): PathTree {
  if (typeof step === 'number') {
    const branch = indexes.get(step) ?? emptyTree()
    indexes.set(step, branch)
    return branch
  }
  const branch = names.get(step) ?? emptyTree()
  names.set(step, branch)
  lengths.add(step.length)
  return branch
}

function emptyTree(): PathTree {
  return { ends: [], names: new Map(), indexes: new Map(), lengths: new Set() }
}
