// Removes the comments of compiled files: a fifth of the package, which its declarations and the sources say too. Indents lines by two
// spaces, as the sources do. Lines stay where they are, so that source maps and stack traces name the right ones.
import { readFileSync, writeFileSync } from 'node:fs'

const SOURCE_MAP = '# sourceMappingURL='

/** @param files paths of modules in JavaScript. Without acorn (`npm ci --omit=dev`) the comments stay. */
export async function removeComments(files) {
  const acorn = await import('acorn').catch(() => undefined)
  if (!acorn) return
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    const bare = indented(acorn, withoutComments(acorn, text))
    if (bare !== text) writeFileSync(file, bare)
  }
}

function withoutComments({ parse }, text) {
  const comments = []
  const keep = (_isBlock, content, start, end) => {
    if (!content.startsWith(SOURCE_MAP) && !text.startsWith('#!', start))
      comments.push({ content, start, end })
  }
  parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true, onComment: keep })
  let bare = ''
  let at = 0
  for (const { content, start, end } of comments) {
    // A comment separates words, unless it ends the line.
    const space = /[\n\r]/.test(text[end] ?? '\n') ? '' : ' '
    bare += text.slice(at, start).replace(/[ \t]+$/, '') + content.replace(/[^\n]+/g, '') + space
    at = end
  }
  return bare + text.slice(at)
}

/** The compiler indents by four spaces. The lines of a template belong to its text. */
function indented({ parse, tokTypes }, text) {
  const templates = []
  const keep = ({ type, start, end }) => {
    if (type === tokTypes.template) templates.push({ start, end })
  }
  parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true, onToken: keep })
  let next = 0
  return text.replace(/^(?: {4})+/gm, (spaces, at) => {
    while (templates[next]?.end < at) next += 1
    return templates[next]?.start < at ? spaces : ' '.repeat(spaces.length / 2)
  })
}
