/** An empty chat. */
const QUESTIONS = [
  'How does a stream survive a restart?',
  'What happens in the second tab?',
  'Where are the tokens kept?',
]

export function Welcome({ onAsk }: { readonly onAsk: (text: string) => void }) {
  return (
    <div className="welcome">
      <h2>Ask something</h2>
      <p>
        The answer goes on while you reload the page, open it in a second tab, or restart the gateway or its
        server.
      </p>
      <ul>
        {QUESTIONS.map(question => (
          <li key={question}>
            <button type="button" onClick={() => onAsk(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
