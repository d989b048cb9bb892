/** The console: everything that `GET /` shows. It holds no data of its own; it asks the gateway that served it. */
import { render } from 'preact'
import { App } from './shell/app.tsx'
import { applyTheme } from './shell/theme.ts'
import './styles/base.css'
import './styles/data.css'
import './styles/pieces.css'
import './styles/shell.css'

applyTheme()
const root = document.getElementById('app')
if (root) render(<App />, root)
