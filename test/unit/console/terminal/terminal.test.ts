import t from 'tap'
import { importConsole } from '../../../harness/console-module.js'

interface Row {
  readonly text: string
  readonly runs: readonly { readonly end: number; readonly style: number }[]
  readonly source: string
  readonly continues: boolean
}
interface Terminal {
  readonly length: number
  readonly dropped: number
  row(index: number): Row | undefined
  write(text: string, source: 'stdout' | 'stderr', continues?: boolean): void
  find(wanted: string, from?: number): number[]
}
const terminalModule = await importConsole<{
  Terminal: new () => Terminal
  MAX_ROWS: number
  MAX_COLUMNS: number
}>('terminal/terminal.ts')
const styleModule = await importConsole<{ classesOf(style: number): string }>('terminal/style.ts')

const HUGE = 1_000_000
const ESC = '\u001b'

function shown(...lines: string[]): string[] {
  return rowsOf(written(...lines)).map(({ text }) => text)
}

function written(...lines: string[]): Terminal {
  const terminal = new terminalModule.Terminal()
  for (const line of lines) terminal.write(line, 'stdout')
  return terminal
}

function rowsOf(terminal: Terminal): Row[] {
  return Array.from({ length: terminal.length }, (_, index) => terminal.row(index)).filter(
    row => row !== undefined,
  )
}

/** The parts of the first row with the classes of each: `red|f2`. */
function coloured(...lines: string[]): string[] {
  const last = rowsOf(written(...lines)).at(-1)
  let start = 0
  return (last?.runs ?? []).map(({ end, style }) => {
    const part = last?.text.slice(start, end)
    start = end
    return `${part}|${styleModule.classesOf(style)}`
  })
}

t.test('lines are rows, as they were written', async t => {
  t.strictSame(shown('one', '', '  two  ', '<b>three</b>'), ['one', '', '  two  ', '<b>three</b>'])
})

t.test('a line feed inside a line begins a row', async t => {
  t.strictSame(shown('one\ntwo\r\nthree'), ['one', 'two', 'three'])
})

t.test('carriage return, backspace, tab and erasing act as in a terminal', async t => {
  const cases = [
    ['100 %\r 50', ' 50 %'],
    ['100 %\r\u001b[K7 %', '7 %'],
    ['old\u001b[2K', ''],
    ['old\u001b[2Knew', '   new'],
    ['old\u001b[2Knew\rX', 'X  new'],
    ['old\u001b[2K\u0301', '   \u0301'],
    ['ab\r\u001b[0KX', 'X'],
    ['abc\b\bX', 'aXc'],
    ['\b\b\bX', 'X'],
    ['a\tb', 'a       b'],
    ['12345678\t9', '12345678        9'],
    ['abc\r\r\rX', 'Xbc'],
    ['😀😀\rX', 'X😀'],
    ['e\u0301a\rX', 'Xa'],
  ] as const

  t.strictSame(
    cases.map(([line]) => shown(line)[0]),
    cases.map(([, text]) => text),
  )
})

t.test('colours and attributes become classes', async t => {
  t.strictSame(coloured(`${ESC}[31mred${ESC}[0m plain ${ESC}[1;4;92mbold`), [
    'red|f2',
    ' plain |',
    'bold|f11 b u',
  ])
  t.strictSame(coloured(`${ESC}[41;37mon red${ESC}[49m white`), ['on red|f8 g2', ' white|f8'])
  t.strictSame(coloured(`${ESC}[7mturned${ESC}[27mback`), ['turned|g8', 'back|'])
  t.strictSame(coloured(`${ESC}[mplain`), [])
})

t.test('other colours become the nearest of the sixteen', async t => {
  const cases = [
    ['38;5;9', 'f10'],
    ['38;5;196', 'f10'],
    ['38;5;28', 'f3'],
    ['38;5;244', 'f9'],
    ['38;2;255;140;0', 'f10'],
    ['38:2::0:0:255', 'f13'],
    ['48;2;0;90;0', 'g3'],
  ] as const

  t.strictSame(
    cases.map(([codes]) => coloured(`${ESC}[${codes}mx`)[0]),
    cases.map(([, classes]) => `x|${classes}`),
  )
})

t.test('a colour lasts over lines, but not from one source to the other', async t => {
  const terminal = written(`${ESC}[31mred`)
  terminal.write('error', 'stderr')
  terminal.write('still red', 'stdout')

  t.strictSame(
    rowsOf(terminal).map(({ text, source, runs }) => [text, source, runs.length]),
    [
      ['red', 'stdout', 1],
      ['error', 'stderr', 0],
      ['still red', 'stdout', 1],
    ],
  )
})

// Attack: output that a terminal would obey: titles, links, the clipboard, questions that are answered on its input, the cursor.
t.test('every other sequence is removed', async t => {
  const attacks = [
    `${ESC}]0;title\u0007`,
    `${ESC}]8;;https://evil.example${ESC}\\`,
    `${ESC}]52;c;cm0gLXJm${ESC}\\`,
    `${ESC}]1337;File=:AAAA\u0007`,
    `${ESC}P$q"p${ESC}\\`,
    `${ESC}_application${ESC}\\`,
    `${ESC}^private${ESC}\\`,
    `${ESC}Xstring${ESC}\\`,
    `${ESC}[2J${ESC}[H${ESC}[10;10H`,
    `${ESC}[1A${ESC}[3D${ESC}[5C`,
    `${ESC}[?1049h${ESC}[?25l`,
    `${ESC}[6n${ESC}[c${ESC}[>c${ESC}[21t`,
    `${ESC}[?5m${ESC}[>4;2m`,
    `${ESC}c${ESC}7${ESC}8${ESC}=${ESC}M`,
    `${ESC}(0${ESC}(B${ESC}#8${ESC} F`,
    '\u009b2J\u009d0;title\u009c\u0090q\u009c\u0084',
    '\u0000\u0001\u0005\u0007\u000b\u000c\u000e\u000f\u007f',
    '\u202e\u202d\u2066\u2069\u202a',
    `${ESC}${ESC}${ESC}[m`,
    `${ESC}[12\u0018${ESC}[34\u001a`,
    `${ESC}[\u202e${ESC}[1\u007f`,
  ]

  t.strictSame(
    attacks.map(attack => shown(`a${attack}b`)[0]),
    attacks.map(() => 'ab'),
  )
  t.strictSame(coloured(`a${attacks.join('')}b`), [])
})

t.test('hidden text is shown', async t => {
  t.strictSame(shown(`a${ESC}[8msecret${ESC}[28mb`), ['asecretb'])
  t.strictSame(coloured(`a${ESC}[8msecret`), [])
})

// Attack: a sequence without an end hides all further output.
t.test('an unfinished sequence ends with its line', async t => {
  const unfinished = [`${ESC}]0;title`, `${ESC}[31`, `${ESC}`, `${ESC}P`, '\u009d', `${ESC}]0;x${ESC}`]

  t.strictSame(
    unfinished.map(text => shown(`a${text}`, 'next')),
    unfinished.map(() => ['a', 'next']),
  )
  t.strictSame(shown(`a${ESC}]0;title\nnext`), ['a', 'next'])
  t.strictSame(shown(`a${ESC}[äöü`, 'next'), ['aäöü', 'next'], 'and text that cannot belong to it is shown')
})

t.test('a line that continues keeps its unfinished sequence', async t => {
  const terminal = new terminalModule.Terminal()
  terminal.write(`a${ESC}[3`, 'stdout', true)
  terminal.write('1mb', 'stdout')

  t.strictSame(
    rowsOf(terminal).map(({ text, continues, runs }) => [text, continues, runs.length]),
    [
      ['a', false, 0],
      ['b', true, 1],
    ],
  )
})

t.test('a long line becomes several rows, between characters', async t => {
  const width = terminalModule.MAX_COLUMNS
  const line = `${'x'.repeat(width - 1)}😀${'y'.repeat(10)}`

  const rows = rowsOf(written(line, 'next'))

  t.strictSame(
    rows.map(({ continues }) => continues),
    [false, true, false],
  )
  t.equal(`${rows[0]?.text}${rows[1]?.text}`, line)
  t.ok(rows.every(({ text }) => !/\p{Surrogate}/u.test(text)))
})

// Attack: one column with a tower of marks over the whole page.
t.test('a character has a bounded number of marks', async t => {
  t.ok((shown(`e${'\u0301'.repeat(HUGE)}\tx`)[0]?.length ?? HUGE) < 100)
})

// Attack: output that never ends, in a page that stays open.
t.test('the oldest rows are dropped and counted', async t => {
  const terminal = new terminalModule.Terminal()
  const more = 1_000
  for (let line = 0; line < terminalModule.MAX_ROWS + more; line += 1) terminal.write(`${line}`, 'stdout')

  t.equal(terminal.length, terminalModule.MAX_ROWS)
  t.equal(terminal.dropped, more)
  t.equal(terminal.row(0)?.text, `${more}`)
  t.equal(terminal.row(terminal.length - 1)?.text, `${terminalModule.MAX_ROWS + more - 1}`)

  const large = written(...Array.from({ length: 80 }, () => 'x'.repeat(HUGE)))
  const kept = rowsOf(large).reduce((sum, { text }) => sum + text.length, 0)
  t.ok(kept <= 32 * 1024 * 1024, `${kept} characters`)
})

t.test('search finds texts, not patterns, and ignores case', async t => {
  const terminal = written('Error: a.b', 'error: axb', 'none', '(A.B)')

  t.strictSame(terminal.find('a.b'), [0, 3])
  t.strictSame(terminal.find('error'), [0, 1])
  t.strictSame(terminal.find('error', 1), [1], 'only from a row on')
  t.strictSame(terminal.find(''), [])
  t.strictSame(terminal.find('\\^$.*+?()[]{}|/-'), [])
})

// Attack: one event with the text that costs the page most. Quadratic work would take hours.
t.test('a million characters cost what their number says', async t => {
  const parts = [
    `${ESC}]0;`,
    `${ESC}[`,
    `${ESC}[31`,
    `${ESC}[31m`,
    `${ESC}[1;2;3;4m`,
    `${ESC}P`,
    ESC,
    '\r',
    'x\r',
    '\b',
    'xy\b',
    '\t',
    '\n',
    '\u009b',
    '\u202e',
    'e\u0301',
    '\u0301',
    'x\u001b[2K',
    'x\u001b[2Kx\r',
    '\t\u001b[2Kx\ry',
    ';',
    `${ESC}[;;;;;;;;`,
    '😀',
  ]
  const counted = parts.map(part => {
    const terminal = written(part.repeat(HUGE / part.length), 'end')
    terminal.find('x'.repeat(100))
    return terminal.row(terminal.length - 1)?.text
  })

  t.strictSame(
    counted,
    parts.map(() => 'end'),
  )
})
