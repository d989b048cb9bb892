/**
 * The site of the documentation: `npm run docs` builds it into docs-site/, and a gateway serves it at /guide
 * (plugins/guide.ts). Its pages are the Markdown files of the repository, as they are; its sidebar is the index,
 * docs/README.md. Nothing is loaded from elsewhere, neither now nor by a reader's browser.
 */
import { defineConfig } from 'vitepress'
import { index, root, titleOf } from './documents.mjs'
import { BASE, checkLinks, linkFrom, pageOf, slug, writeSources } from './links.mjs'

export default defineConfig({
  srcDir: root,
  outDir: process.env.SITE_FOLDER || `${root}/docs-site`,
  cacheDir: `${root}/.build/vitepress`,
  srcExclude: [
    '{node_modules,dist,data,docs-site,.build}/**',
    '**/{node_modules,generated,target,results}/**',
  ],
  rewrites: pageOf,
  base: BASE,
  title: 'Sluice',
  description: 'An event gateway on Postgres: live, resumable streams over HTTP.',
  cleanUrls: true,
  metaChunk: true,
  // A reader's browser would load every page to which a page links, and spend the rate limit of its address.
  router: { prefetchLinks: false },
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: {
    // With enough contrast for every reader.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify: slug },
    config(md) {
      md.core.ruler.push('sources', ({ tokens, env }) => {
        const links = tokens
          .flatMap(({ children }) => children ?? [])
          .filter(({ type }) => type === 'link_open')
        for (const link of links) linkFrom(env.realPath ?? env.path, link)
        // A screen reader would announce an empty cell at the top of a table as a heading.
        for (const [place, token] of tokens.entries()) {
          const empty = token.type === 'th_open' && tokens[place + 1]?.content === ''
          if (empty) for (const each of [token, tokens[place + 2]]) each.tag = 'td'
        }
      })
    },
  },
  themeConfig: {
    sidebar: index().map(({ title, pages }) => ({
      text: title,
      items: pages.map(path => ({
        text: titleOf(path),
        link: `/${pageOf(`docs/${path}`).replace(/(index)?\.md$/, '')}`,
      })),
    })),
    outline: [2, 3],
    // The button is named by its own text.
    search: { provider: 'local', options: { translations: { button: { buttonAriaLabel: '' } } } },
    docFooter: { prev: 'Before', next: 'Next' },
  },
  buildEnd({ outDir }) {
    writeSources(outDir)
    checkLinks(outDir)
  },
})
