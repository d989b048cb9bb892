/** Grants, for people: the streams and types to which a key is limited. */
import { useState } from 'preact/hooks'
import type { GrantsDocument } from '../../../../src/auth/grants/grants.ts'
import { linesIn } from '../../pieces/form-dialog.tsx'

const LISTS = ['subscribe', 'publish', 'types'] as const
const TITLES = {
  subscribe: 'May read these streams',
  publish: 'May write to these streams',
  types: 'Only events of these types (empty: all)',
} as const

export function GrantsOf({ grants }: { grants: GrantsDocument | null }) {
  if (grants === null) return <span class="hint">all that its role allows</span>
  const { subscribe = [], publish = [], types } = grants
  return (
    <span class="text">
      {subscribe.length > 0 && <span class="block">reads {subscribe.join(', ')}</span>}
      {publish.length > 0 && <span class="block">writes {publish.join(', ')}</span>}
      {subscribe.length + publish.length === 0 && <span class="block">no stream</span>}
      {types && !types.includes('*') && <span class="block">types {types.join(', ')}</span>}
    </span>
  )
}

export function GrantFields({ grants }: { grants: GrantsDocument | null }) {
  const [isLimited, setLimited] = useState(grants !== null)
  return (
    <fieldset>
      <legend class="unseen">Grants</legend>
      <label class="check">
        <input
          type="checkbox"
          name="limited"
          checked={isLimited}
          onChange={event => setLimited(event.currentTarget.checked)}
        />
        Limit it to some streams or types
      </label>
      {isLimited && (
        <div class="stack">
          <p class="hint">
            One name a line; a name that ends in <code>*</code> is a prefix, such as <code>orders/*</code>.
          </p>
          {LISTS.map(name => (
            <label key={name}>
              {TITLES[name]}
              <textarea
                name={name}
                rows={2}
                spellcheck={false}
                defaultValue={(grants?.[name] ?? []).join('\n')}
              />
            </label>
          ))}
        </div>
      )}
    </fieldset>
  )
}

export function grantsIn(form: FormData): GrantsDocument | null {
  if (form.get('limited') === null) return null
  const [subscribe, publish, types] = LISTS.map(name => linesIn(form, name))
  return {
    ...(subscribe && subscribe.length > 0 && { subscribe }),
    ...(publish && publish.length > 0 && { publish }),
    ...(types && types.length > 0 && { types }),
  }
}
