// Package sse is a client for Server-Sent Events (WHATWG HTML §9.2) of any server. It reconnects, resumes by
// Last-Event-ID, and notices connections that have died. For a Sluice gateway use the package above it, which adds
// credentials, cursors and the meaning of the notices.
package sse
