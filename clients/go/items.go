package sluice

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// An Item is a part, as the gateway stores it.
type Item struct {
	PartNumber  string          `json:"part_number"`
	Description string          `json:"description"`
	ItemType    string          `json:"item_type"`
	Properties  json.RawMessage `json:"properties"`
	Revision    int             `json:"revision"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	ETag        string          `json:"etag"`
}

// A Revision is one release of an item.
type Revision struct {
	PartNumber     string          `json:"part_number"`
	RevisionNumber int             `json:"revision_number"`
	Comment        string          `json:"comment"`
	Properties     json.RawMessage `json:"properties"`
	Actor          string          `json:"actor"`
	At             time.Time       `json:"at"`
}

// A NewItem is an item to create.
type NewItem struct {
	PartNumber  string `json:"part_number"`
	Description string `json:"description"`
	ItemType    string `json:"item_type"`
	Properties  any    `json:"properties,omitempty"`
}

// An ItemChange replaces the fields that are set; nil leaves a field as it is.
type ItemChange struct {
	Description *string `json:"description,omitempty"`
	ItemType    *string `json:"item_type,omitempty"`
	Properties  any     `json:"properties,omitempty"`
	// IfMatch is the ETag that the item must still have; otherwise the change is refused with "precondition-failed".
	IfMatch string `json:"-"`
}

// An ItemQuery narrows a list of items.
type ItemQuery struct {
	ItemType string
	// Search is a text anywhere in the part number or the description.
	Search string
	// Limit is the size of a page, 1 to 200. Default: 100.
	Limit int
	// Cursor is the NextCursor of the page before.
	Cursor string
}

// An ItemPage is one page of a list.
type ItemPage struct {
	Items []Item `json:"items"`
	// NextCursor is "" on the last page.
	NextCursor string `json:"next_cursor"`
	// Head is the newest event of the feed that the page includes. Follow from the Head of the first page, and the list
	// and the events fit together without a gap.
	Head string `json:"-"`
}

// Items are the items of the workspace.
type Items struct{ client *Client }

// Items returns the requests about items.
func (c *Client) Items() Items { return Items{c} }

// List returns one page.
func (i Items) List(ctx context.Context, query ItemQuery) (ItemPage, error) {
	var page ItemPage
	header, err := i.client.call(ctx, request{
		method: http.MethodGet, path: "/api/items", repeatable: true,
		query: values("item_type", query.ItemType, "search", query.Search, "cursor", query.Cursor, "limit", number(query.Limit)),
	}, &page)
	page.Head = header.Get("X-Sluice-Head")
	return page, err
}

// All returns the items of all pages. head, unless it is nil, receives the Head of the first one.
func (i Items) All(ctx context.Context, query ItemQuery, head *string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for first := true; ; first = false {
			page, err := i.List(ctx, query)
			if err != nil {
				yield(Item{}, err)
				return
			}
			if first && head != nil {
				*head = page.Head
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if query.Cursor = page.NextCursor; query.Cursor == "" {
				return
			}
		}
	}
}

// Get returns one item.
func (i Items) Get(ctx context.Context, partNumber string) (Item, error) {
	return i.one(ctx, request{method: http.MethodGet, path: itemPath(partNumber), repeatable: true})
}

// Create stores a new item.
func (i Items) Create(ctx context.Context, item NewItem) (Item, error) {
	return i.one(ctx, request{method: http.MethodPost, path: "/api/items", body: item})
}

// Update changes an item.
func (i Items) Update(ctx context.Context, partNumber string, change ItemChange) (Item, error) {
	return i.one(ctx, request{
		method: http.MethodPatch, path: itemPath(partNumber), body: change, header: ifMatch(change.IfMatch),
	})
}

// Delete removes an item and its revisions. ifMatch may be "".
func (i Items) Delete(ctx context.Context, partNumber, etag string) error {
	_, err := i.client.call(ctx, request{
		method: http.MethodDelete, path: itemPath(partNumber), header: ifMatch(etag),
	}, nil)
	return err
}

// Release creates the next revision of an item. properties may be nil.
func (i Items) Release(ctx context.Context, partNumber, comment string, properties any) (Revision, error) {
	var revision Revision
	body := struct {
		Comment    string `json:"comment"`
		Properties any    `json:"properties,omitempty"`
	}{comment, properties}
	_, err := i.client.call(ctx, request{
		method: http.MethodPost, path: itemPath(partNumber) + "/revisions", body: body,
	}, &revision)
	return revision, err
}

func (i Items) one(ctx context.Context, r request) (Item, error) {
	var item Item
	_, err := i.client.call(ctx, r, &item)
	return item, err
}

func itemPath(partNumber string) string { return "/api/items/" + url.PathEscape(partNumber) }

func ifMatch(etag string) http.Header {
	if etag == "" {
		return nil
	}
	return http.Header{"If-Match": {etag}}
}

// values leaves out parameters without a value.
func values(namesAndValues ...string) url.Values {
	query := url.Values{}
	for at := 0; at < len(namesAndValues); at += 2 {
		if namesAndValues[at+1] != "" {
			query.Set(namesAndValues[at], namesAndValues[at+1])
		}
	}
	return query
}

func number(value int) string {
	if value <= 0 {
		return ""
	}
	return strconv.Itoa(value)
}
