/**
 * A form in a dialog. It stays open until the gateway has accepted it: a refusal is shown in it, with everything that was entered.
 * open → sending → closed by its owner, or open again with the reason.
 */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { asProblem, type ProblemError } from '../api/problem.ts'
import { Dialog } from './dialog.tsx'
import { Failure } from './failure.tsx'

export interface FormDialogProps {
  readonly title: string
  /** The verb of the button, such as `Create the key`. */
  readonly action: string
  /** Whether it destroys something. */
  readonly isDangerous?: boolean
  /** Sends it. A rejection is shown; afterwards the owner closes the dialog. */
  readonly onSubmit: (form: FormData) => Promise<void>
  readonly onClose: () => void
  /** Shown instead of a refusal that the owner knows a better answer to. */
  readonly remedyOf?: (failure: ProblemError) => ComponentChildren | undefined
  readonly children: ComponentChildren
}

export function FormDialog(props: FormDialogProps) {
  const { title, action, isDangerous = false, onSubmit, onClose, remedyOf, children } = props
  const [failure, setFailure] = useState<ProblemError>()
  const [isSending, setSending] = useState(false)
  const submit = async (form: FormData) => {
    setSending(true)
    setFailure(undefined)
    try {
      await onSubmit(form)
    } catch (error) {
      setFailure(asProblem(error))
    } finally {
      setSending(false)
    }
  }
  const remedy = failure && remedyOf?.(failure)
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="stack"
        onSubmit={event => {
          event.preventDefault()
          if (!isSending) void submit(new FormData(event.currentTarget))
        }}
      >
        {children}
        {remedy ?? (failure && <Failure failure={failure} />)}
        <p class="row">
          <button type="submit" class={isDangerous ? 'danger' : undefined} disabled={isSending}>
            {action}
          </button>
          <button type="button" class="quiet" onClick={onClose}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  )
}

/** The text of a field; '' if the form has none of that name. */
export function textIn(form: FormData, name: string): string {
  const value = form.get(name)
  return typeof value === 'string' ? value.trim() : ''
}

/** @throws {Error} if the field holds something else than a JSON object. @returns undefined for an empty field. */
export function objectIn(form: FormData, name: string): Record<string, unknown> | undefined {
  const text = textIn(form, name)
  if (text === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`\`${name}\` is not JSON: ${error instanceof Error ? error.message : ''}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`\`${name}\` must be a JSON object, such as {"colour":"red"}.`)
  }
  return { ...value }
}

/** The lines of a field, without empty ones. */
export function linesIn(form: FormData, name: string): string[] {
  return textIn(form, name)
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
}

/** A field `datetime-local`, as in RFC 3339; undefined if it is empty. */
export function timeIn(form: FormData, name: string): string | undefined {
  const text = textIn(form, name)
  return text === '' ? undefined : new Date(text).toISOString()
}
