/** The console: a form for the token, the feed of its workspace as a list, and a form that creates an item. */
import { activityList } from './activity.js'
import { followFeed, positionOf } from './feed.js'
import { sentenceOf } from './sentence.js'
import { claimsOf, forgetToken, keepToken, readToken } from './token.js'

const TITLE = document.title
const ANNOUNCE_MS = 3_000
const STATES = {
  connecting: 'Connecting',
  live: 'Live',
  degraded: 'Live, degraded',
  maintenance: 'Live, maintenance',
  draining: 'Gateway is stopping',
  reconnecting: 'Reconnecting',
  unavailable: 'Unavailable, trying again',
  ended: 'Ended',
}
const WHY_RESET = {
  retention: 'They are older than the retention time.',
  'history-lost': 'The log was restored to an earlier state.',
  'unknown-id': 'This log does not contain the last event of this page.',
}

const $ = id => document.getElementById(id)
const rows = activityList($('rows'))
let token = null
let close = () => {}
let unread = 0

function start() {
  close()
  token = readToken()
  $('enter').hidden = token !== null
  $('feed').hidden = token === null
  $('leave').hidden = token === null
  if (token === null) {
    setState('ended', 'Not connected')
    $('who').textContent = ''
    $('token-form').token.focus()
    return
  }
  const { workspace, role } = claimsOf(token)
  $('who').textContent = [workspace, role].filter(claim => typeof claim === 'string').join(' · ')
  // If the role is in a claim of another name, the page cannot know it; the gateway then refuses what the role may not do.
  const mayWrite = role !== 'viewer'
  $('create').hidden = !mayWrite
  if (!mayWrite) {
    $('first-step').textContent =
      'Your token may only read. Changes by others appear here; an editor token can create the first item.'
  }
  $('command').textContent =
    `TOKEN=…  # such as one that npm start prints\ncurl -N \\\n  ${new URL('api/events', document.baseURI)} \\\n  -H "Accept: text/event-stream" \\\n  -H "Authorization: Bearer $TOKEN"`
  follow()
}

function follow() {
  close()
  const types = $('types').value.replaceAll(' ', '')
  rows.clear()
  $('empty').hidden = false
  $('empty-title').textContent = types ? 'No event of these types yet' : 'No events yet'
  notify('')
  close = followFeed({
    token,
    types,
    hear: {
      state: name => setState(name),
      event: (event, fresh) => {
        rows.add(event, fresh)
        if (fresh) announce(event)
        $('empty').hidden = true
      },
      reset: ({ reason, head }, after) => {
        const gap = after > 0 ? `between #${after} and #${positionOf(head)}` : `up to #${positionOf(head)}`
        rows.divide(`Events ${gap} are gone: reload your state. ${WHY_RESET[reason] ?? ''}`)
        $('empty').hidden = true
      },
      ended: refuse,
    },
  })
}

function setState(name, text = STATES[name] ?? name) {
  if ($('state').textContent === text) return
  $('state').dataset.state = name
  $('state').textContent = text
}

/** The feed has ended. If the token is the reason and the list is empty, the page asks for another token at once. */
function refuse(reason, status) {
  const isToken = status === 401 || status === 403
  notify(isToken ? `${reason} Use another token to continue.` : reason)
  if (!isToken || !$('rows').hidden) return
  forgetToken()
  start()
  $('refusal').textContent = reason
  $('refusal').hidden = false
}

function notify(text) {
  $('notice').textContent = text
  $('notice').hidden = text === ''
}

let announcing = 0
let waiting = 0
/** For screen readers: the newest event and the number of others, at most once per pause, so that it does not talk constantly. */
function announce(event) {
  if (document.hidden) document.title = `(${++unread}) ${TITLE}`
  waiting += 1
  const { part = '', text } = sentenceOf(event.type, event.data)
  clearTimeout(announcing)
  announcing = setTimeout(() => {
    $('said').textContent = `${event.type} ${part} ${text}${waiting > 1 ? `, and ${waiting - 1} more` : ''}`
    waiting = 0
  }, ANNOUNCE_MS / Math.max(1, waiting))
}

async function create(event) {
  event.preventDefault()
  const form = event.currentTarget
  const button = form.querySelector('button')
  button.disabled = true
  const answer = await fetch('api/items', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  }).catch(() => undefined)
  const body = await answer?.json().catch(() => undefined)
  button.disabled = false

  const made = answer?.ok === true
  $('outcome').classList.toggle('refused', !made)
  $('outcome').textContent = made
    ? `${body.part_number} was created.`
    : (body?.detail ?? 'Cannot reach the gateway. Try again.')
  if (made || answer?.status === 409) form.part_number.value = nextNumber(form.part_number.value)
}

/** `A01-0009` → `A01-0010`. */
function nextNumber(partNumber) {
  const next = digits => String(Number(digits) + 1).padStart(digits.length, '0')
  return partNumber.replace(/^(.*\D|)(\d+)$/, (_, start, digits) => start + next(digits))
}

$('token-form').addEventListener('submit', event => {
  event.preventDefault()
  $('refusal').hidden = true
  keepToken(event.currentTarget.token.value.trim())
  event.currentTarget.reset()
  start()
})
$('filter').addEventListener('submit', event => {
  event.preventDefault()
  follow()
})
$('leave').addEventListener('click', () => {
  forgetToken()
  $('refusal').hidden = true
  start()
})
$('create').addEventListener('submit', create)
addEventListener('hashchange', start)
document.addEventListener('visibilitychange', () => {
  unread = 0
  document.title = TITLE
})
start()
