/** A duration for a person: `0.4 s`, `90 s`, `12 min`, `3.5 h`, `4 days`. */
export function durationOf(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1).replace(/\.0$/, '')} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(1).replace(/\.0$/, '')} h`
  return `${Math.round(seconds / 86_400)} days`
}
