/**
 * The output of a job as the rows of a terminal. Each source (stdout, stderr) has colours and unfinished sequences of its own, so one
 * never changes the look of the other. Memory is bounded: beyond MAX_ROWS or MAX_CHARACTERS the oldest rows are dropped, and
 * `dropped` counts them. The work is linear in the output, whatever it contains.
 */
import { EscapeReader, isSpecial, type Screen } from './escape-reader.ts'
import { type Row, RowCells } from './row.ts'
import { PLAIN, styled } from './style.ts'

export const MAX_ROWS = 200_000
const MAX_CHARACTERS = 32 * 1024 * 1024
/** A longer row continues in the next one. */
export const MAX_COLUMNS = 4_096
/** The weight of an empty row: the objects that hold it. */
const ROW_OVERHEAD = 64

export type Source = 'stdout' | 'stderr' | 'note'

export interface TerminalRow extends Row {
  readonly source: Source
  /** Whether it continues the row before it. */
  readonly continues: boolean
  /** Lines of output up to this row, this one included; notes do not count. */
  readonly line: number
}

export class Terminal {
  readonly #writers = new Map<Source, Writer>()
  #rows: TerminalRow[] = []
  /** Where the kept rows begin in `#rows`: dropping them one by one would move the others each time. */
  #first = 0
  #characters = 0
  #dropped = 0
  #lines = 0

  /** The kept rows. */
  get length(): number {
    return this.#rows.length - this.#first
  }

  /** Rows that were dropped because there were too many. */
  get dropped(): number {
    return this.#dropped
  }

  row(index: number): TerminalRow | undefined {
    return this.#rows[this.#first + index]
  }

  /** @param continues whether the line goes on in the next text of the same source. */
  write(text: string, source: Source, continues = false): void {
    let writer = this.#writers.get(source)
    if (!writer) {
      writer = new Writer(row => {
        if (source !== 'note' && !row.continues) this.#lines += 1
        this.#add({ ...row, source, line: this.#lines })
      })
      this.#writers.set(source, writer)
    }
    writer.write(text, continues)
  }

  /** Rows whose text contains `wanted`, ignoring case; indexes of kept rows. */
  find(wanted: string, from = 0): number[] {
    const found: number[] = []
    if (wanted === '') return found
    const pattern = patternOf(wanted)
    for (let index = from; index < this.length; index += 1) {
      pattern.lastIndex = 0
      if (pattern.test(this.row(index)?.text ?? '')) found.push(index)
    }
    return found
  }

  /** Takes all rows out, for output that is longer than what is kept. */
  drain(): readonly TerminalRow[] {
    const rows = this.#rows.slice(this.#first)
    this.#rows = []
    this.#first = 0
    this.#characters = 0
    return rows
  }

  #add(row: TerminalRow): void {
    this.#rows.push(row)
    this.#characters += row.text.length + ROW_OVERHEAD
    while (this.length > MAX_ROWS || (this.#characters > MAX_CHARACTERS && this.length > 1)) this.#drop()
  }

  #drop(): void {
    this.#characters -= (this.#rows[this.#first]?.text.length ?? 0) + ROW_OVERHEAD
    this.#first += 1
    this.#dropped += 1
    if (this.#first * 2 < this.#rows.length) return
    this.#rows = this.#rows.slice(this.#first)
    this.#first = 0
  }
}

/** Rows as plain text: without colours and controls, a line that was too wide in one piece again. */
export function plainText(rows: readonly TerminalRow[]): string {
  return rows
    .filter(({ source }) => source !== 'note')
    .map(({ text, continues }) => (continues ? text : `\n${text}`))
    .join('')
}

/** Finds a text, not a pattern, in each of its places. */
export function patternOf(wanted: string): RegExp {
  return new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'giu')
}

class Writer implements Screen {
  readonly #add: (row: Row & { continues: boolean }) => void
  readonly #reader = new EscapeReader()
  readonly #cells = new RowCells()
  #style = PLAIN
  #continues = false

  constructor(add: (row: Row & { continues: boolean }) => void) {
    this.#add = add
  }

  write(text: string, continues: boolean): void {
    if (this.#isPlain(text)) this.#addRow({ text, runs: this.#runOf(text) })
    else {
      this.#reader.read(text, this)
      if (!continues || !this.#cells.isEmpty) this.#addRow(this.#cells.take())
    }
    this.#continues = continues
    if (!continues) this.#reader.endLine()
  }

  put(text: string): void {
    // In pieces, so that a row never exceeds its width.
    for (let rest = text; rest !== ''; ) {
      const room = this.#room()
      // Not between the halves of a surrogate pair.
      const end = isHighSurrogate(rest, room - 1) ? room + 1 : room
      this.#cells.put(rest.slice(0, end), this.#style)
      rest = rest.slice(end)
    }
  }

  colour(codes: readonly number[]): void {
    this.#style = styled(this.#style, codes)
  }

  carriageReturn(): void {
    this.#cells.carriageReturn()
  }

  backspace(): void {
    this.#cells.backspace()
  }

  tab(): void {
    this.#room()
    this.#cells.tab()
  }

  eraseToEnd(): void {
    this.#cells.eraseToEnd()
  }

  eraseAll(): void {
    this.#cells.eraseAll()
  }

  lineFeed(): void {
    this.#addRow(this.#cells.take())
    this.#continues = false
  }

  /** The columns that are left, after a new row has begun if there were none. */
  #room(): number {
    if (this.#cells.column >= MAX_COLUMNS) {
      this.#addRow(this.#cells.take())
      this.#continues = true
    }
    return MAX_COLUMNS - this.#cells.column
  }

  #isPlain(text: string): boolean {
    return text.length <= MAX_COLUMNS && this.#reader.isIdle && !isSpecial(text)
  }

  #runOf(text: string): Row['runs'] {
    return this.#style === PLAIN ? [] : [{ end: text.length, style: this.#style }]
  }

  #addRow(row: Row): void {
    this.#add({ ...row, continues: this.#continues })
  }
}

function isHighSurrogate(text: string, index: number): boolean {
  const code = text.charCodeAt(index)
  return code >= 0xd800 && code <= 0xdbff
}
