/** The theme of VitePress with the fonts of the reader's system: a page loads none. */
import theme from 'vitepress/theme-without-fonts'
import './site.css'

export default theme
