/** The documents as tests read them: their text, their code fences, their tables. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/process/package-root.js'

/** Folders that hold no document of ours. */
const ELSEWHERE = new Set(['node_modules', 'dist', 'docs-site', 'data', 'results', 'generated', 'target'])

export interface Fence {
  /** What stands behind the opening: `sh`, `text stream`, … */
  readonly info: string
  readonly text: string
}

/** Paths of all documents, from the root of the package. */
export function documents(folder = ''): string[] {
  return readdirSync(join(packageRoot, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      return entry.name.startsWith('.') || ELSEWHERE.has(entry.name) ? [] : documents(path)
    }
    return entry.name.endsWith('.md') ? [path] : []
  })
}

export function read(path: string): string {
  return readFileSync(join(packageRoot, path), 'utf8')
}

/** The part under a heading, up to the next one of its level or above. */
export function section(text: string, heading: string): string {
  const [level = ''] = /^#+/.exec(heading) ?? []
  const start = text.indexOf(`\n${heading}\n`)
  if (start < 0) throw new Error(`There is no heading "${heading}".`)
  const rest = text.slice(start + heading.length + 2)
  const end = rest.search(new RegExp(`^#{1,${level.length}} `, 'm'))
  return end < 0 ? rest : rest.slice(0, end)
}

export function fences(text: string): Fence[] {
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', inside = '']) => ({
    info: info.trim(),
    text: inside,
  }))
}

/** What is not code: fences and code spans are blanked out. */
export function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '')
}

/** The cells of the rows of all tables in a text, without their head. */
export function rows(text: string): string[][] {
  return text
    .split(/\n\|[-| ]+\|\n/)
    .slice(1)
    .flatMap(table => /^(?:\|.*\n)*/.exec(`${table}\n`)?.[0].trim().split('\n') ?? [])
    .map(row =>
      row
        .slice(1, -1)
        .split('|')
        .map(cell => cell.trim()),
    )
}
