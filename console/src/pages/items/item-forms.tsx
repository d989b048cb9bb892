/** The forms that create, change, release and delete an item. */
import { useState } from 'preact/hooks'
import type { Item } from '../../../../src/items/item.ts'
import { useApi } from '../../api/api.ts'
import type { ProblemError } from '../../api/problem.ts'
import { announce } from '../../pieces/announcements.tsx'
import { ConfirmByName } from '../../pieces/confirm-by-name.tsx'
import { FormDialog, objectIn, textIn } from '../../pieces/form-dialog.tsx'
import { hrefOf, navigate } from '../../shell/route.ts'
import { differences } from './difference.ts'
import { Differences } from './differences.tsx'

interface Closing {
  readonly onClose: () => void
}

const pathOf = (partNumber: string) => `api/items/${encodeURIComponent(partNumber)}`

export function CreateItem({ onClose }: Closing) {
  const api = useApi()
  const [partNumber, setPartNumber] = useState('')
  return (
    <FormDialog
      title="Create an item"
      action="Create"
      onClose={onClose}
      onSubmit={async form => {
        const item = await api.send<Item>('POST', 'api/items', {
          part_number: textIn(form, 'part_number'),
          ...contentIn(form),
        })
        onClose()
        announce(`${item.part_number} was created.`)
        navigate(hrefOf('items', [item.part_number]))
      }}
      remedyOf={failure => isExisting(failure) && <Existing partNumber={partNumber} />}
    >
      <label>
        Part number
        <input
          name="part_number"
          value={partNumber}
          onInput={event => setPartNumber(event.currentTarget.value)}
          maxLength={64}
          placeholder="A01-0002"
          autocomplete="off"
          required
        />
      </label>
      <Content />
    </FormDialog>
  )
}

function isExisting({ problem }: ProblemError): boolean {
  return problem.code === 'item-exists'
}

function Existing({ partNumber }: { partNumber: string }) {
  return (
    <div class="notice" role="alert">
      There is an item {partNumber} already. <a href={hrefOf('items', [partNumber.trim()])}>Open it</a>, or
      choose another part number.
    </div>
  )
}

export interface ChangeItemProps extends Closing {
  readonly item: Item
  readonly onChanged: () => void
}

/** If somebody else changed the item meanwhile (412), the form shows their changes, and the next attempt replaces them. */
export function ChangeItem({ item, onClose, onChanged }: ChangeItemProps) {
  const api = useApi()
  const [base, setBase] = useState(item)
  const [theirs, setTheirs] = useState<Item>()
  return (
    <FormDialog
      title={`Change ${item.part_number}`}
      action={theirs ? 'Save mine over theirs' : 'Save'}
      onClose={onClose}
      onSubmit={async form => {
        try {
          const headers = { 'if-match': (theirs ?? base).etag }
          const change = contentIn(form)
          await api.send(
            'PATCH',
            pathOf(item.part_number),
            { ...change, properties: change.properties ?? {} },
            { headers },
          )
        } catch (error) {
          const current = await api.get<Item>(pathOf(item.part_number)).catch(() => undefined)
          if (theirs) setBase(theirs)
          setTheirs(current)
          throw error
        }
        onClose()
        onChanged()
        announce(`${item.part_number} was changed.`)
      }}
      remedyOf={({ problem }) =>
        problem.code === 'precondition-failed' &&
        theirs && (
          <div class="notice stack" role="alert">
            <p>Somebody else has changed this item meanwhile. Nothing of yours is saved yet.</p>
            <Differences
              label="Their changes"
              before="Before"
              after="Theirs"
              differences={differences(contentOf(base), contentOf(theirs))}
            />
            <p>Take over what you need into the form, then save; or cancel to keep theirs.</p>
          </div>
        )
      }
    >
      <Content item={item} />
    </FormDialog>
  )
}

export function ReleaseItem({ item, onClose, onChanged }: ChangeItemProps) {
  const api = useApi()
  return (
    <FormDialog
      title={`Release revision ${item.revision + 1} of ${item.part_number}`}
      action="Release"
      onClose={onClose}
      onSubmit={async form => {
        await api.send(
          'POST',
          `${pathOf(item.part_number)}/revisions`,
          { comment: textIn(form, 'comment') },
          { headers: { 'if-match': item.etag } },
        )
        onClose()
        onChanged()
        announce(`Revision ${item.revision + 1} of ${item.part_number} was released.`)
      }}
      remedyOf={({ problem }) =>
        problem.code === 'precondition-failed' && (
          <p class="notice" role="alert">
            Somebody else has changed this item meanwhile. Nothing was released: cancel, look at the item as
            it is now, and release it then.
          </p>
        )
      }
    >
      <p class="hint">The revision keeps the properties of the item as they are now.</p>
      <label>
        What changed
        <textarea name="comment" maxLength={2_000} rows={3} placeholder="Longer by 2 mm" required />
      </label>
    </FormDialog>
  )
}

export function DeleteItem({ item, onClose }: Closing & { item: Item }) {
  const api = useApi()
  return (
    <ConfirmByName
      title={`Delete ${item.part_number}`}
      name={item.part_number}
      action="Delete the item"
      onClose={onClose}
      onConfirm={async () => {
        await api.send('DELETE', pathOf(item.part_number), undefined, { headers: { 'if-match': item.etag } })
        onClose()
        announce(`${item.part_number} was deleted.`)
        navigate(hrefOf('items'))
      }}
    >
      <p>The item and its revisions are deleted for good. Its events stay on the feed.</p>
    </ConfirmByName>
  )
}

/** The fields that both forms have. */
function Content({ item }: { item?: Item }) {
  return (
    <>
      <label>
        Description
        <input name="description" defaultValue={item?.description ?? ''} maxLength={2_000} required />
      </label>
      <label>
        Type
        <input name="item_type" defaultValue={item?.item_type ?? 'part'} maxLength={64} required />
      </label>
      <label>
        Properties, as JSON
        <textarea
          name="properties"
          rows={6}
          spellcheck={false}
          defaultValue={item ? JSON.stringify(item.properties, null, 2) : ''}
          placeholder='{"material":"S235"}'
        />
      </label>
    </>
  )
}

function contentIn(form: FormData) {
  const properties = objectIn(form, 'properties')
  return {
    description: textIn(form, 'description'),
    item_type: textIn(form, 'item_type'),
    ...(properties && { properties }),
  }
}

function contentOf({ description, item_type, properties }: Item) {
  return { description, item_type, properties }
}
