// Package sluice is the client of Sluice, the event gateway: it follows streams across every failure without missing an
// event, publishes without storing one twice, waits for jobs, and reads and writes items.
//
//	client, err := sluice.New(sluice.Options{URL: "http://127.0.0.1:8080", Token: token})
//	...
//	for event, err := range client.Feed(ctx, sluice.FeedOptions{Types: []string{"item.*"}}).Events() {
//		if err != nil {
//			return err
//		}
//		fmt.Println(event.ID, event.Type, string(event.Data))
//	}
//
// # What is handled, and what is not yet
//
// A feed stores its cursor when the application asks for the next event. After a crash it delivers the event again that
// the application was handling (at least once). With [FeedOptions.AtMostOnce] it stores the cursor before; with
// [SQLCursor.Handle] the cursor commits in the application's own transaction (exactly once).
//
// # Consumers
//
// A consumer is a cursor that the gateway keeps under a name. [Client.Consumer] follows it and acknowledges what the
// application has handled; [Client.Consumers] creates, lists and moves consumers.
//
// # Errors
//
// Failures that pass never show: the feed reconnects. What does show is final: a [*RefusedError] has the status and the
// code of the gateway's answer, a [*ProtocolError] says that the server is no gateway, a [*ResetError] that events are
// missing and there is no [FeedOptions.Reload]. [ErrStreamClosed] is the regular end of a stream that has one.
//
// The package writes nothing to the standard output or to a log.
package sluice
