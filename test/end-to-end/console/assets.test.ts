/** The files of the console: what is in them, how large they are, and how they are served. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { startStandInFeed } from './stand-in-feed.js'

const MAX_GZIPPED_BYTES = 150_000

async function filesIn(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(join(packageRoot, folder), { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return new Map(await Promise.all(files.map(async file => [file, await readFile(file, 'utf8')] as const)))
}

t.test('the console is small and complete', async t => {
  const files = await filesIn('dist/console')

  const bytes = [...files.values()].reduce((sum, text) => sum + gzipSync(text).length, 0)
  t.ok(bytes <= MAX_GZIPPED_BYTES, `${bytes} bytes, compressed`)
  t.ok(files.size > 3)
})

t.test('the console names no other host, and makes no markup from text', async t => {
  const sources = [...(await filesIn('console'))].filter(([file]) => /\.(tsx?|css|html)$/.test(file))
  const built = [...(await filesIn('dist/console'))].filter(([file]) => !file.endsWith('.svg'))

  const markup = /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/
  const inline = /<style|<script(?![^>]*src=)|\sstyle="|\son[a-z]+="/
  const hosts = (text: string) =>
    [...text.matchAll(/https?:\/\/[\w.-]+/g)].map(([url]) => url).filter(url => url !== 'http://www.w3.org')
  t.strictSame(
    sources.filter(([, text]) => markup.test(text)).map(([file]) => file),
    [],
  )
  t.strictSame(
    built.filter(([file, text]) => file.endsWith('.html') && inline.test(text)).map(([file]) => file),
    [],
  )
  t.strictSame(
    built.flatMap(([, text]) => hosts(text)),
    [],
  )
})

t.test('the console is public, may load nothing but its own files, and its files never change', async t => {
  const feed = await startStandInFeed(t)

  const page = await fetch(`${feed.url}/`)
  const [script = ''] = /console\/[\w.-]+\.js/.exec(await page.text()) ?? []
  const asset = await fetch(`${feed.url}/${script}`)
  const other = await fetch(`${feed.url}/console/..%2fpackage.json`)

  t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  t.equal(page.headers.get('cache-control'), 'no-cache')
  t.equal(
    page.headers.get('content-security-policy'),
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  t.equal(page.headers.get('referrer-policy'), 'no-referrer')
  t.equal(asset.headers.get('content-type'), 'text/javascript; charset=utf-8')
  t.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  t.equal(other.status, 404)
})
