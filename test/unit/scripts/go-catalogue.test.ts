/** The types of the client for Go are those of the gateway. */
import t from 'tap'
import { GO_CATALOGUE, goCatalogueText } from '../../../scripts/go-catalogue.js'
import { read } from '../../harness/document.js'

t.test('clients/go/catalogue.go has every built-in event, as "npm run catalogue" writes it', async t => {
  t.equal(read(GO_CATALOGUE), goCatalogueText())
})
