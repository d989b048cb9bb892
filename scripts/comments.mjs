// Removes the comments of compiled files: a fifth of the package, which its declarations and the sources say too. Lines stay where
// they are, so that source maps and stack traces name the right ones.
import { readFileSync, writeFileSync } from 'node:fs'

const SOURCE_MAP = '# sourceMappingURL='

/** @param files paths of modules in JavaScript. Without acorn (`npm ci --omit=dev`) the comments stay. */
export async function removeComments(files) {
  const acorn = await import('acorn').catch(() => undefined)
  if (!acorn) return
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    const bare = withoutComments(acorn, text)
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
