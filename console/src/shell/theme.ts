/** Light or dark: as the system is set, unless the reader has chosen one here. */
const KEY = 'sluice.theme'
const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

export function currentTheme(): Theme {
  const stored = localStorage.getItem(KEY)
  return THEMES.find(theme => theme === stored) ?? 'system'
}

export function applyTheme(theme = currentTheme()): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

/** Goes on to the next theme, keeps it, and returns it. */
export function nextTheme(): Theme {
  const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length] ?? 'system'
  localStorage.setItem(KEY, next)
  applyTheme(next)
  return next
}
