/** A gateway of the simulation: its clients, and the work of the current second. */

export interface SimulatedNode {
  open: number
  most: number
  waiting: number
  /** Openings since it started. */
  opened: number
  /** CPU that is left of the current steps, ms. */
  credit: number
  /** Openings and refusals of the current second, and their CPU, ms. */
  second: number
  spentMs: number
}

export function newNode(): SimulatedNode {
  return { open: 0, most: 0, waiting: 0, opened: 0, credit: 0, second: 0, spentMs: 0 }
}
