package sse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const mostRedirects = 10

// request sends the request and follows redirects (Fetch §4.4): 301, 302, 303, 307 and 308. Another origin gets neither
// credentials nor the headers that may contain them.
func (s *Source) request(ctx context.Context) (*http.Response, error) {
	target, err := url.Parse(s.URL)
	if err != nil {
		return nil, final{err}
	}
	origin := *target
	method, body := s.Method, s.Body
	if method == "" {
		method = http.MethodGet
	}
	for redirects := 0; ; redirects++ {
		response, err := s.send(ctx, method, target, body, sameOrigin(&origin, target))
		if err != nil {
			return nil, err
		}
		if !isRedirect(response.StatusCode) {
			return response, nil
		}
		location, err := response.Location()
		status := NewStatusError(response)
		response.Body.Close()
		switch {
		case errors.Is(err, http.ErrNoLocation):
			status.Reason = "a redirect without Location"
			return nil, final{status}
		case err != nil:
			status.Reason = err.Error()
			return nil, final{status}
		case location.Scheme != "http" && location.Scheme != "https":
			status.Reason = fmt.Sprintf("a redirect to %q", location.Scheme)
			return nil, final{status}
		case redirects == mostRedirects:
			status.Reason = "too many redirects"
			return nil, final{status}
		}
		if becomesGet(status.Status, method) {
			method, body = http.MethodGet, nil
		}
		target = location
	}
}

func (s *Source) send(ctx context.Context, method string, target *url.URL, body []byte, own bool) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, final{err}
	}
	for name, values := range s.Header {
		if own || !secret(name) {
			request.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Cache-Control", "no-cache")
	if s.LastEventID != "" {
		request.Header.Set("Last-Event-ID", s.LastEventID)
	}
	if own && s.Authorize != nil {
		if err := s.Authorize(ctx, request); err != nil {
			return nil, err
		}
	}
	response, err := s.client(own).Do(request)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		// Its text has the URL, which may contain a ticket.
		err = failed.Err
	}
	return response, err
}

// client is the application's, but for what a stream must do itself. Its cookies are for the origin that it knows.
func (s *Source) client(own bool) *http.Client {
	client := http.Client{}
	if s.HTTPClient != nil {
		client = *s.HTTPClient
	}
	client.Timeout = 0
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if !own {
		client.Jar = nil
	}
	return &client
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func becomesGet(status int, method string) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound:
		return method == http.MethodPost
	case http.StatusSeeOther:
		return method != http.MethodGet && method != http.MethodHead
	}
	return false
}

func secret(header string) bool {
	switch http.CanonicalHeaderKey(header) {
	case "Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key":
		return true
	}
	return false
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && port(a) == port(b)
}

func port(u *url.URL) string {
	if u.Port() != "" {
		return u.Port()
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
