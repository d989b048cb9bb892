/**
 * Links that work on a code host and in the site. A link to a document leads to its page. A link to any other file or to
 * a folder of the repository leads to a copy below source/, or to a list of its files below folder/. A link to nothing ends the build.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root } from './documents.mjs'

/** Stands for the path of the site, which a gateway puts in its place when it serves a page. */
export const BASE = '/sluice-guide-base/'
const sources = new Set()

/** The anchor of a heading, as code hosts make it. */
export function slug(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}

/** The page of a document, as a path in the site: those of docs/ at the top, all others below repository/. */
export function pageOf(document) {
  const path = document.startsWith('docs/') ? document.slice('docs/'.length) : `repository/${document}`
  return path.replace(/(^|\/)README\.md$/, '$1index.md')
}

/** Changes the target of a link in the document at `from`. */
export function linkFrom(from, link) {
  const href = link.attrGet('href')
  if (/^[a-z][a-z0-9+.-]*:|^#/i.test(href)) return
  const [path, anchor] = decodeURI(href).split('#')
  const target = relative(root, join(dirname(from), path))
  const document = [target, join(target, 'README.md')].find(file => file.endsWith('.md') && isFile(file))
  if (document !== undefined) {
    link.attrSet('href', `/${pageOf(document)}${anchor === undefined ? '' : `#${anchor}`}`)
  } else if (existsSync(join(root, target))) {
    sources.add(target)
    link.attrSet('href', `${BASE}${isFile(target) ? 'source' : 'folder'}/${target}`)
    // A file for the browser, not a page of the site.
    link.attrSet('target', '_self')
  } else {
    throw new Error(`${relative(root, from)} links to ${href}, which does not exist.`)
  }
}

/** Copies every file that a document links to into the folder `site`, and lists every folder. */
export function writeSources(site) {
  for (const source of sources) {
    if (isFile(source)) copyTo(site, source)
    else listFolder(site, source)
  }
}

/** Fails if a link of a page in the folder `site` leads to no file there, or to no heading of the page. */
export function checkLinks(site) {
  const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.html'),
  )
  const html = new Map(pages.map(page => [page, readFileSync(join(site, page), 'utf8')]))
  const dead = pages.flatMap(page =>
    [...html.get(page).matchAll(/<a [^>]*?href="([^"]*)"/g)]
      .map(([, href]) => href)
      .filter(href => href.startsWith(BASE) || href.startsWith('#'))
      .filter(href => !leadsSomewhere(page, href))
      .map(href => `${page}: ${href}`),
  )
  if (dead.length > 0) throw new Error(`Dead links:\n${[...new Set(dead)].join('\n')}`)

  function leadsSomewhere(page, href) {
    const [path, anchor] = decodeURI(href).split('#')
    const name = path.slice(BASE.length)
    const candidates = path === '' ? [page] : [name, `${name}.html`, `${name}index.html`]
    const file = candidates.find(
      each => each !== '' && existsSync(join(site, each)) && statSync(join(site, each)).isFile(),
    )
    return file !== undefined && (!anchor || html.get(file)?.includes(` id="${anchor}"`))
  }
}

function copyTo(site, file) {
  const copy = join(site, 'source', file)
  mkdirSync(dirname(copy), { recursive: true })
  copyFileSync(join(root, file), copy)
}

function listFolder(site, folder) {
  const files = readdirSync(join(root, folder)).filter(name => isFile(join(folder, name)))
  for (const name of files) copyTo(site, join(folder, name))
  const links = files.map(name => `<li><a href="${BASE}source/${folder}/${name}">${name}</a></li>`).join('\n')
  const page = join(site, 'folder', `${folder}.html`)
  mkdirSync(dirname(page), { recursive: true })
  writeFileSync(
    page,
    `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${folder}</title>
<main>
<h1>${folder}</h1>
<ul>
${links}
</ul>
</main>
`,
  )
}

function isFile(path) {
  return existsSync(join(root, path)) && statSync(join(root, path)).isFile()
}
