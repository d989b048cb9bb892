/** The documents of the site, read as files: their index and their titles. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** The sections of docs/README.md, with the pages below docs/ that each of its tables names, in their order. */
export function index() {
  const [, ...sections] = readFileSync(join(root, 'docs/README.md'), 'utf8').split(/^## /m)
  return sections.map(section => ({
    title: section.slice(0, section.indexOf('\n')),
    pages: [...section.matchAll(/^\| \[[^\]]+\]\(([^)#]+\.md)\)/gm)].map(([, path]) => path),
  }))
}

/** The first heading of a page below docs/. */
export function titleOf(path) {
  const [, title] = /^# (.+)$/m.exec(readFileSync(join(root, 'docs', path), 'utf8')) ?? []
  if (title === undefined) throw new Error(`docs/${path} has no title. Begin it with "# ".`)
  return title
}
