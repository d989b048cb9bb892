/** Lengths of time and sizes for people. */
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `840 ms`, `5.2 s`, `1 min 12 s`, `2 h 3 min`, `4 d 6 h`: two parts at most. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '0 ms'
  if (ms < SECOND) return `${Math.round(ms)} ms`
  if (ms < MINUTE) return `${(Math.floor(ms / 100) / 10).toString()} s`
  if (ms < HOUR) return parts(ms, MINUTE, 'min', SECOND, 's')
  if (ms < DAY) return parts(ms, HOUR, 'h', MINUTE, 'min')
  return parts(ms, DAY, 'd', HOUR, 'h')
}

function parts(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small)
  return `${Math.floor(ms / large)} ${largeName}${rest > 0 ? ` ${rest} ${smallName}` : ''}`
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/** `512 bytes`, `1.5 KiB`, `94 KiB`. */
export function size(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1_024 && unit < UNITS.length - 1) {
    value /= 1_024
    unit += 1
  }
  const shown = unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value).toString()
  return `${shown} ${value === 1 && unit === 0 ? 'byte' : UNITS[unit]}`
}
