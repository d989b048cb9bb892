/** The same clock in all processes of a machine, in milliseconds since 1970. */
export function now(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000) / 1_000
}
