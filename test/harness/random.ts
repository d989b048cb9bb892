/** Random numbers that are the same in every run, so that a failure can be reproduced. */

export interface Random {
  /** 0 … below − 1. */
  integer(below: number): number
  pick<T>(choices: readonly [T, ...T[]]): T
}

/** Mulberry32, which is good enough to make test data. */
export function randomFrom(seed: number): Random {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const integer = (below: number) => Math.floor(next() * below)
  return { integer, pick: choices => choices[integer(choices.length)] ?? choices[0] }
}
