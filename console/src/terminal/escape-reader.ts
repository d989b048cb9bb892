/**
 * Splits terminal output into text and the few controls that a page may follow: colours, erasing in the line, carriage return,
 * backspace, tab and line feed. Every other control character and escape sequence is removed, whatever it would do to a terminal:
 * set its title, move its cursor, answer on its input, print, open a link. So are the characters that reverse the direction of
 * text, which could make a line read differently from what was written.
 *
 * States: ground → escape → sequence (CSI) or string (OSC, DCS, …) → ground. Each character is looked at once. An unfinished
 * sequence ends with its line.
 */
export interface Screen {
  put(text: string): void
  colour(codes: readonly number[]): void
  carriageReturn(): void
  backspace(): void
  tab(): void
  lineFeed(): void
  /** Erases from the cursor to the end of the line. */
  eraseToEnd(): void
  /** Erases the whole line. */
  eraseAll(): void
}

type State = 'ground' | 'escape' | 'sequence' | 'string' | 'string-escape'

const MAX_SEQUENCE = 64
const BELL = 0x07
const LINE_FEED = 0x0a
const ESCAPE = 0x1b
const SPACE = 0x20
const BACKSLASH = 0x5c
/** ST as one character. */
const STRING_END = 0x9c
/** Sequences end with a character from `@` to `~`. */
const FIRST_FINAL = 0x40
const LAST_FINAL = 0x7e
const SELECT_GRAPHIC_RENDITION = 0x6d
const ERASE_IN_LINE = 0x4b
/** The introducers of one character (C1) mean `ESC` and this letter. */
const C1 = { first: 0x80, last: 0x9f, offset: 0x40 }
/** `ESC` and one of these begin a string: DCS, SOS, OSC, PM, APC. */
const STRINGS = 'PX]^_'
const CANCEL = [0x18, 0x1a]
/** C0, DEL and C1, and the embeddings, overrides and isolates of bidirectional text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const SPECIAL = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/

/** Whether text has to be read character by character. Most lines need not. */
export function isSpecial(text: string): boolean {
  return SPECIAL.test(text)
}

export class EscapeReader {
  #state: State = 'ground'
  #sequence = ''

  /** @returns whether the next text begins outside of any sequence. */
  get isIdle(): boolean {
    return this.#state === 'ground'
  }

  read(text: string, screen: Screen): void {
    let start = 0
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      const isPlain = this.#state === 'ground' && !isControl(code)
      if (isPlain) continue
      if (this.#state === 'ground' && start < index) screen.put(text.slice(start, index))
      this.#take(code, screen)
      start = index + 1
    }
    if (this.#state === 'ground' && start < text.length) screen.put(text.slice(start))
  }

  /** Ends the line: an unfinished sequence in it does not swallow the next one. */
  endLine(): void {
    this.#state = 'ground'
    this.#sequence = ''
  }

  #take(code: number, screen: Screen): void {
    const isInString = this.#state === 'string' || this.#state === 'string-escape'
    if (CANCEL.includes(code)) this.endLine()
    else if (code === LINE_FEED) {
      this.endLine()
      screen.lineFeed()
    } else if (code === ESCAPE) this.#state = this.#state === 'string' ? 'string-escape' : 'escape'
    else if (isInString) this.#inString(code)
    else if (code >= C1.first && code <= C1.last) this.#begin(String.fromCharCode(code - C1.offset))
    else if (this.#state === 'ground' || code < SPACE) control(code, screen)
    else if (this.#state === 'escape') this.#begin(String.fromCharCode(code))
    else this.#inSequence(code, screen)
  }

  /** After `ESC`. Intermediate characters (space to `/`) come before the final one, as in `ESC ( B`. */
  #begin(letter: string): void {
    this.#sequence = ''
    if (letter === '[') this.#state = 'sequence'
    else if (STRINGS.includes(letter)) this.#state = 'string'
    else this.#state = letter >= ' ' && letter <= '/' ? 'escape' : 'ground'
  }

  /** `BEL` ends a string, and so does `ESC \`; `ESC` and another letter begin something else. */
  #inString(code: number): void {
    const isEnd =
      code === BELL || code === STRING_END || (this.#state === 'string-escape' && code === BACKSLASH)
    if (isEnd) this.endLine()
    else if (this.#state === 'string-escape') this.#begin(String.fromCharCode(code))
  }

  #inSequence(code: number, screen: Screen): void {
    // Nothing outside of ASCII belongs to a sequence.
    if (code > LAST_FINAL) {
      this.endLine()
      if (!isControl(code)) screen.put(String.fromCharCode(code))
      return
    }
    // Parameters and intermediate characters; then the final one.
    if (code < FIRST_FINAL) {
      if (this.#sequence.length < MAX_SEQUENCE) this.#sequence += String.fromCharCode(code)
      return
    }
    const parameters = this.#sequence
    this.endLine()
    if (!/^[\d;:]*$/.test(parameters) || parameters.length >= MAX_SEQUENCE) return
    if (code === SELECT_GRAPHIC_RENDITION) screen.colour(codesOf(parameters))
    else if (code === ERASE_IN_LINE && /^0*$/.test(parameters)) screen.eraseToEnd()
    else if (code === ERASE_IN_LINE && parameters === '2') screen.eraseAll()
  }
}

/** Colons group the parts of one code: `38:2::255:0:0` is `38;2;255;0;0`, and `4:3` a kind of underline. */
function codesOf(parameters: string): number[] {
  return parameters.split(';').flatMap(group => {
    const [first = 0, ...parts] = group.split(':').map(Number)
    if (parts.length === 0) return first
    if (first === 4) return parts[0] === 0 ? 24 : 4
    if (first !== 38 && first !== 48) return first
    return parts[0] === 2 ? [first, 2, ...parts.slice(-3)] : [first, ...parts.slice(0, 2)]
  })
}

function isControl(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069)
  )
}

function control(code: number, screen: Screen): void {
  if (code === 0x0d) screen.carriageReturn()
  else if (code === 0x08) screen.backspace()
  else if (code === 0x09) screen.tab()
}
