/** The form in which a webhook posts events. */
import { MESSAGE_FORMS } from '../../../src/webhooks/sending/message.js'
import { oneOf, value } from '../option.js'

export const form = value('--form FORM', `${MESSAGE_FORMS.join(', ')}: what is posted (default standard)`, {
  parse: oneOf(MESSAGE_FORMS),
})
