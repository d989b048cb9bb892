/** A chart of the last hour (uPlot), with a summary for people who do not see it. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { HOUR_MS } from './recent.ts'

export interface Series {
  readonly label: string
  /** The name of a colour of the console: `accent`, `green`. */
  readonly colour: string
  readonly values: readonly (number | null)[]
}

export interface ChartProps {
  readonly title: string
  /** Seconds since 1970, one for each value. */
  readonly times: readonly number[]
  readonly series: readonly Series[]
  readonly format: (value: number) => string
  /** The values are whole numbers, and so are the marks of the axis. */
  readonly isWhole?: boolean
}

const HEIGHT = 190
/** Seconds: the longest time that the chart shows, and the shortest. */
const HOUR = HOUR_MS / 1_000
const SHORTEST = 300
const X_SPACE = 70
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5].flatMap(power => [1, 2, 5].map(step => step * 10 ** power))

export function Chart({ title, times, series, format, isWhole = false }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const scheme = useScheme()
  const shape = series.map(({ label, colour }) => `${label} ${colour}`).join()

  useLayoutEffect(() => {
    const element = place.current
    if (!element) return
    const drawn = new uPlot(optionsOf(element, { series, format, isWhole }), dataOf(times, series), element)
    plot.current = drawn
    const observer = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      drawn.destroy()
    }
    // The values are handed on below; a new chart is made only for other lines or colours.
  }, [scheme, shape, format])
  useEffect(() => plot.current?.setData(dataOf(times, series)), [times, series])

  return (
    <figure class="card chart">
      <figcaption>
        <h2>{title}</h2>
        <p class="legend">
          {series.map(({ label, colour }) => (
            <span key={label} data-tone={colour}>
              {label}
            </span>
          ))}
        </p>
      </figcaption>
      <div
        ref={place}
        role="img"
        aria-label={`${title} in the last hour. ${series.map(line => summary(line, format)).join(' ')}`}
      />
    </figure>
  )
}

function summary({ label, values }: Series, format: (value: number) => string): string {
  const known = values.filter(value => value !== null)
  const last = known.at(-1)
  if (last === undefined) return `${label}: nothing yet.`
  return `${label}: now ${format(last)}, at most ${format(Math.max(...known))}.`
}

function dataOf(times: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  return [[...times], ...series.map(({ values }) => [...values])]
}

type LookOptions = Required<Pick<ChartProps, 'series' | 'format' | 'isWhole'>>

function optionsOf(element: HTMLElement, { series, format, isWhole }: LookOptions): uPlot.Options {
  const line = colourOf(element, 'line')
  const axis = {
    stroke: colourOf(element, 'muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
  }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    // The mark of the last time is centred below the end of the axis.
    padding: [8, 18, 0, 0],
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: {
        time: true,
        range: (_, first, last) => [Math.max(last - HOUR, Math.min(first, last - SHORTEST)), last],
      },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.15 : 1] },
    },
    axes: [
      {
        ...axis,
        size: 26,
        space: X_SPACE,
        values: (_, seconds) => seconds.map(clock),
        grid: { show: false },
      },
      {
        ...axis,
        size: 58,
        values: (_, values) => values.map(format),
        ...(isWhole && { incrs: WHOLE_STEPS }),
      },
    ],
    series: [
      {},
      ...series.map(({ label, colour }) => ({
        label,
        stroke: colourOf(element, colour),
        width: 1.75,
        points: { show: false },
        spanGaps: false,
        ...(series.length === 1 && { fill: withAlpha(colourOf(element, colour)) }),
      })),
    ],
  }
}

function clock(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  })
}

/** A canvas knows no variables of CSS: the colour as it is at the moment. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(--${name})`
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

function withAlpha(rgb: string): string {
  return rgb.replace('rgb(', 'rgba(').replace(')', ', 0.1)')
}

/** Changes when the colours do. */
function useScheme(): string {
  const current = () =>
    `${matchMedia('(prefers-color-scheme: dark)').matches} ${document.documentElement.dataset.theme}`
  const [scheme, setScheme] = useState(current)
  useEffect(() => {
    const read = () => setScheme(current())
    const media = matchMedia('(prefers-color-scheme: dark)')
    const observer = new MutationObserver(read)
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    media.addEventListener('change', read)
    return () => {
      observer.disconnect()
      media.removeEventListener('change', read)
    }
  }, [])
  return scheme
}
