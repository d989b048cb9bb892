/** A word in a colour: the type of an event, the status of a job. */
export type Tone = 'green' | 'blue' | 'red' | 'violet' | 'amber' | 'muted'

export function Badge({ text, tone = 'muted' }: { text: string; tone?: Tone }) {
  return (
    <span class="badge" data-tone={tone} title={text}>
      {text}
    </span>
  )
}
