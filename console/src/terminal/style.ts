/**
 * The look of terminal text as one number, so that a line without colours costs nothing: five bits of foreground, five of
 * background (0 is the page's own, 1 to 16 the colours of a terminal), and a bit for each attribute. Other colours become the
 * nearest of the sixteen, which have a readable shade in light and in dark. Blinking and hidden text are shown as plain text.
 */
export const PLAIN = 0

const FOREGROUND_SHIFT = 0
const BACKGROUND_SHIFT = 5
const COLOUR_MASK = 0b11111
const BOLD = 1 << 10
const DIM = 1 << 11
const ITALIC = 1 << 12
const UNDERLINE = 1 << 13
const INVERSE = 1 << 14
const STRIKE = 1 << 15

/** The bits that each code of SGR sets or removes. */
const SET: Readonly<Record<number, number>> = {
  1: BOLD,
  2: DIM,
  3: ITALIC,
  4: UNDERLINE,
  7: INVERSE,
  9: STRIKE,
  21: UNDERLINE,
}
const REMOVED: Readonly<Record<number, number>> = {
  22: BOLD | DIM,
  23: ITALIC,
  24: UNDERLINE,
  27: INVERSE,
  29: STRIKE,
}

/** @param codes the parameters of one SGR sequence; a missing one is 0. @returns the style after it. */
export function styled(style: number, codes: readonly number[]): number {
  let next = style
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0
    if (code === 38 || code === 48) {
      const { colour, used } = extended(codes, index + 1)
      index += used
      if (colour > 0) next = withColour(next, code === 38 ? FOREGROUND_SHIFT : BACKGROUND_SHIFT, colour)
    } else next = simple(next, code)
  }
  return next
}

function simple(style: number, code: number): number {
  if (code === 0) return PLAIN
  const set = SET[code]
  if (set !== undefined) return style | set
  const removed = REMOVED[code]
  if (removed !== undefined) return style & ~removed
  if (code >= 30 && code <= 39) return withColour(style, FOREGROUND_SHIFT, code === 39 ? 0 : code - 29)
  if (code >= 40 && code <= 49) return withColour(style, BACKGROUND_SHIFT, code === 49 ? 0 : code - 39)
  if (code >= 90 && code <= 97) return withColour(style, FOREGROUND_SHIFT, code - 81)
  if (code >= 100 && code <= 107) return withColour(style, BACKGROUND_SHIFT, code - 91)
  return style
}

/** `38;5;n` and `38;2;r;g;b`. `used` counts the codes that belong to the colour. */
function extended(codes: readonly number[], at: number): { colour: number; used: number } {
  if (codes[at] === 5) return { colour: ofPalette(codes[at + 1] ?? 0), used: 2 }
  if (codes[at] !== 2) return { colour: 0, used: 1 }
  return { colour: nearest(codes[at + 1] ?? 0, codes[at + 2] ?? 0, codes[at + 3] ?? 0), used: 4 }
}

/** The 256 colours: 16 named ones, a cube of 6 × 6 × 6, and 24 greys. */
function ofPalette(code: number): number {
  if (code < 16) return code + 1
  if (code >= 232) return nearest((code - 232) * 10 + 8, (code - 232) * 10 + 8, (code - 232) * 10 + 8)
  const cube = code - 16
  const level = (part: number) => part * 51
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6))
}

/** By hue: the parts that are bright beside the brightest one. The bright half begins where one part is nearly full. */
function nearest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue)
  if (most < 64) return 1
  const isOn = (part: number) => part > most * 0.6
  const hue = (isOn(red) ? 1 : 0) + (isOn(green) ? 2 : 0) + (isOn(blue) ? 4 : 0)
  if (hue === 7 && most < 150) return 9
  return 1 + hue + (most > 215 ? 8 : 0)
}

function withColour(style: number, shift: number, colour: number): number {
  return (style & ~(COLOUR_MASK << shift)) | (colour << shift)
}

/** The classes of `console.css` for a style: `f2 b` is bold red. */
export function classesOf(style: number): string {
  const foreground = (style >> FOREGROUND_SHIFT) & COLOUR_MASK
  const background = (style >> BACKGROUND_SHIFT) & COLOUR_MASK
  const isInverse = (style & INVERSE) !== 0
  // In inverse text the page's own colours change places too: 0 as a background is a grey.
  const front = isInverse ? background : foreground
  const back = isInverse ? foreground || 8 : background
  return [
    front > 0 && `f${front}`,
    back > 0 && `g${back}`,
    style & BOLD && 'b',
    style & DIM && 'd',
    style & ITALIC && 'i',
    style & UNDERLINE && 'u',
    style & STRIKE && 's',
  ]
    .filter(Boolean)
    .join(' ')
}
