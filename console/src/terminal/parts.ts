/** The parts of a row that look alike: its runs of one style, cut where a found text begins and ends. */

import type { Row } from './row.ts'
import { classesOf, PLAIN } from './style.ts'
import { patternOf } from './terminal.ts'

export interface Part {
  readonly text: string
  readonly classes: string
  readonly isFound: boolean
}

/** @param wanted the text that is searched for; '' finds nothing. */
export function partsOf({ text, runs }: Row, wanted: string): Part[] {
  const borders = new Set([0, text.length, ...runs.map(({ end }) => end)])
  const found = wanted === '' ? [] : [...text.matchAll(patternOf(wanted))]
  const places = found.map(({ index, 0: match }) => ({ start: index, end: index + match.length }))
  for (const { start, end } of places) {
    borders.add(start)
    borders.add(end)
  }
  const sorted = [...borders].sort((one, other) => one - other)
  let run = 0
  let place = 0
  return sorted.slice(1).map((end, index) => {
    const start = sorted[index] ?? 0
    while ((runs[run]?.end ?? Number.POSITIVE_INFINITY) <= start) run += 1
    while ((places[place]?.end ?? Number.POSITIVE_INFINITY) <= start) place += 1
    return {
      text: text.slice(start, end),
      classes: classesOf(runs[run]?.style ?? PLAIN),
      isFound: (places[place]?.start ?? Number.POSITIVE_INFINITY) <= start,
    }
  })
}
