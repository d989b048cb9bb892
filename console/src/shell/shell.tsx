/** The frame around every page: the bar, the navigation with the pages that the principal may use, and the page itself. */
import type { ComponentType } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { asProblem, type ProblemError } from '../api/problem.ts'
import { Failure } from '../pieces/failure.tsx'
import { Loading } from '../pieces/loading.tsx'
import { useSession } from '../session/session.ts'
import { type Page, pagesFor } from './pages.ts'
import { hrefOf, type PageProps, type Route, useRoute } from './route.ts'
import { ShortcutsDialog, useShortcut } from './shortcuts.tsx'
import { currentTheme, nextTheme } from './theme.ts'

export function Shell() {
  const { principal, signOut } = useSession()
  const route = useRoute()
  const [isOpen, setOpen] = useState(false)
  const [theme, setTheme] = useState(currentTheme)
  const pages = pagesFor(principal)
  const page = pages.find(({ name }) => name === route.page) ?? (route.page === '' ? pages[0] : undefined)
  // On a phone the navigation covers the page until a place is chosen.
  useEffect(() => setOpen(false), [route.page])
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the page
      </button>
      <header class="bar">
        <button
          type="button"
          class="quiet menu"
          aria-expanded={isOpen}
          aria-controls="navigation"
          onClick={() => setOpen(!isOpen)}
        >
          Menu
        </button>
        <Brand />
        <p class="who">{[principal.workspace, principal.role].filter(Boolean).join(' · ')}</p>
        <button
          type="button"
          class="quiet theme"
          title="Change the colours"
          onClick={() => setTheme(nextTheme())}
        >
          <span class="unseen">Colours: </span>
          {theme}
        </button>
        <button type="button" class="quiet" id="sign-out" onClick={signOut}>
          Sign out
        </button>
      </header>
      <Navigation pages={pages} current={page} isOpen={isOpen} hasDocs={principal.parts.includes('docs')} />
      <main id="main" tabIndex={-1}>
        {page ? (
          <PageFrame key={page.name} page={page} route={route} />
        ) : (
          <NoPage name={route.page} first={pages[0]} />
        )}
      </main>
      <ShortcutsDialog />
    </div>
  )
}

interface NavigationProps {
  readonly pages: readonly Page[]
  readonly current: Page | undefined
  /** Whether the navigation is open; only a phone hides it. */
  readonly isOpen: boolean
  /** Whether this gateway serves the guide and the page of the API. */
  readonly hasDocs: boolean
}

function Navigation({ pages, current, isOpen, hasDocs }: NavigationProps) {
  const groups = [...new Set(pages.map(({ group }) => group))]
  return (
    <nav id="navigation" class={isOpen ? 'navigation open' : 'navigation'} aria-label="Pages">
      {groups.map(group => (
        <div key={group}>
          <p class="group" id={`group-${group}`}>
            {group}
          </p>
          <ul aria-labelledby={`group-${group}`}>
            {pages
              .filter(page => page.group === group)
              .map(({ name, title }) => (
                <li key={name}>
                  <a href={hrefOf(name)} {...(name === current?.name && { 'aria-current': 'page' })}>
                    {title}
                  </a>
                </li>
              ))}
          </ul>
        </div>
      ))}
      <ul class="elsewhere">
        {hasDocs && (
          <>
            <li>
              <a href="guide">Guide</a>
            </li>
            <li>
              <a href="docs">API</a>
            </li>
          </>
        )}
        <li>
          <a href="openapi.json">OpenAPI</a>
        </li>
      </ul>
    </nav>
  )
}

/** The page, once its code is loaded. A change of page moves the focus to its heading, so that a screen reader reads it. */
function PageFrame({ page, route }: { page: Page; route: Route }) {
  const [Content, setContent] = useState<ComponentType<PageProps>>()
  const [failure, setFailure] = useState<ProblemError>()
  const isFirst = useRef(document.activeElement === document.body)
  useEffect(() => {
    document.title = `${page.title} · Sluice`
    page.load().then(
      ({ default: loaded }) => setContent(() => loaded),
      (error: unknown) => setFailure(asProblem(error)),
    )
  }, [page])
  useEffect(() => {
    if (!Content || isFirst.current) return
    const heading = document.querySelector<HTMLElement>('#main h1')
    heading?.setAttribute('tabindex', '-1')
    heading?.focus()
  }, [Content])
  useShortcut('h', 'Go to the heading of the page', () =>
    document.querySelector<HTMLElement>('#main')?.focus(),
  )
  // A new version of the gateway has other files: loading the page anew gets them.
  if (failure) return <Failure failure={failure} onRetry={() => location.reload()} />
  return Content ? <Content route={route} /> : <Loading what={page.title} />
}

function NoPage({ name, first }: { name: string; first: Page | undefined }) {
  return (
    <section class="empty card">
      <h1>There is no page “{name}”</h1>
      <p>It does not exist, or your role may not use it.</p>
      {first && (
        <p>
          <a href={hrefOf(first.name)}>Open {first.title}</a>
        </p>
      )}
    </section>
  )
}

export function Brand() {
  return (
    <p class="brand">
      <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
        <rect width="32" height="32" rx="8" />
        <path d="M7 11h18M7 16h11M7 21h6" />
      </svg>
      Sluice
    </p>
  )
}
