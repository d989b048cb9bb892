/** Copies a text, and says so. */
import type { ComponentChildren } from 'preact'
import { asProblem } from '../api/problem.ts'
import { announce } from './announcements.tsx'

export interface CopyButtonProps {
  /** The text, or what makes it when the button is pressed. */
  readonly text: string | (() => Promise<string>)
  readonly children: ComponentChildren
  /** Said when it is done. */
  readonly done?: string
}

export function CopyButton({ text, children, done = 'Copied.' }: CopyButtonProps) {
  const copy = async () => {
    try {
      await copyText(typeof text === 'string' ? text : await text())
      announce(done)
    } catch (error) {
      announce(`Nothing was copied. ${asProblem(error).message}`, { isFailure: true })
    }
  }
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      {children}
    </button>
  )
}

async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  // Over plain HTTP, except on localhost, browsers have no clipboard for pages.
  const field = document.createElement('textarea')
  field.value = text
  document.body.append(field)
  field.select()
  const isCopied = document.execCommand('copy')
  field.remove()
  if (!isCopied) throw new Error('The browser does not allow it on a page without HTTPS.')
}
