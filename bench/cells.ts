/** The combinations that a bench measures, of which `BENCH_CELLS=2000x200,10000x5` takes some. */

export interface Cell {
  readonly clients: number
  /** Events per second. */
  readonly rate: number
}

const WANTED = process.env.BENCH_CELLS?.split(',')

/**
 * The cells of `cells` that are wanted; default: all.
 * @throws if the bench has no such combination.
 */
export function wantedOf<C extends Cell>(cells: readonly C[]): readonly C[] {
  if (WANTED === undefined) return cells
  return WANTED.map(name => {
    const cell = cells.find(({ clients, rate }) => name === `${clients}x${rate}`)
    if (!cell) throw new Error(`BENCH_CELLS: this bench does not measure ${JSON.stringify(name)}.`)
    return cell
  })
}
