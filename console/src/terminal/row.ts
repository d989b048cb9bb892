/**
 * One row of a terminal: its text, and the styles of its parts. A row that the output overwrites (carriage return, backspace) is
 * kept as cells until it is complete: one cell is a character with the marks that combine with it.
 */
import { PLAIN } from './style.ts'

export interface Run {
  /** Where the run ends in the text of its row. */
  readonly end: number
  readonly style: number
}

export interface Row {
  readonly text: string
  /** Empty for a row without colours. */
  readonly runs: readonly Run[]
}

const TAB = 8
/** Further marks of a character are dropped: no column may hold any number of them. */
const MAX_CELL = 32
/** Combining marks (variation selectors are some) and joiners: they belong to the character before them. */
const COMBINING = /^(?:\p{M}|\u200d)$/u

export class RowCells {
  #cells: string[] = []
  #styles: number[] = []
  /** The column of the first cell; the columns before it are blank. */
  #indent = 0
  #column = 0

  get isEmpty(): boolean {
    return this.#cells.length === 0
  }

  /** Where the next character goes. */
  get column(): number {
    return this.#column
  }

  put(text: string, style: number): void {
    for (const character of text) {
      const before = this.#column - 1
      if (before >= 0 && COMBINING.test(character)) {
        this.#combine(before, character)
        continue
      }
      this.#set(this.#column, character, style)
      this.#column += 1
    }
  }

  carriageReturn(): void {
    this.#column = 0
  }

  backspace(): void {
    if (this.#column > 0) this.#column -= 1
  }

  tab(): void {
    this.#column += TAB - (this.#column % TAB)
    if (this.#indent + this.#cells.length < this.#column) this.#set(this.#column - 1, ' ', PLAIN)
  }

  eraseToEnd(): void {
    this.#cells.length = Math.max(0, Math.min(this.#column - this.#indent, this.#cells.length))
    this.#styles.length = this.#cells.length
  }

  /** The cursor stays. The blank columns before it become cells only if something needs them. */
  eraseAll(): void {
    this.#cells = []
    this.#styles = []
    this.#indent = this.#column
  }

  /** The row as it stands; the next one begins empty. */
  take(): Row {
    this.#indentTo(0)
    const row = rowOf(this.#cells, this.#styles)
    this.#column = 0
    this.eraseAll()
    return row
  }

  #combine(column: number, mark: string): void {
    const index = column - this.#indent
    const cell = this.#cells[index]
    if (cell !== undefined) this.#cells[index] = (cell + mark).slice(0, MAX_CELL)
    else this.#set(column, ` ${mark}`, PLAIN)
  }

  #set(column: number, character: string, style: number): void {
    this.#indentTo(column)
    const index = column - this.#indent
    while (this.#cells.length < index) {
      this.#cells.push(' ')
      this.#styles.push(PLAIN)
    }
    this.#cells[index] = character
    this.#styles[index] = style
  }

  /** Makes the cells begin at this column, if they begin later. */
  #indentTo(column: number): void {
    const blank = this.#indent - column
    if (blank <= 0) return
    this.#indent = column
    if (this.#cells.length === 0) return
    this.#cells.unshift(...Array<string>(blank).fill(' '))
    this.#styles.unshift(...Array<number>(blank).fill(PLAIN))
  }
}

function rowOf(cells: readonly string[], styles: readonly number[]): Row {
  const runs: { end: number; style: number }[] = []
  let end = 0
  cells.forEach((cell, index) => {
    end += cell.length
    const style = styles[index] ?? PLAIN
    const last = runs.at(-1)
    if (last?.style === style) last.end = end
    else runs.push({ end, style })
  })
  return { text: cells.join(''), runs: runs.every(run => run.style === PLAIN) ? [] : runs }
}
