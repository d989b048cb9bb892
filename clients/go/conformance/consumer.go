package main

import (
	"context"
	"errors"

	"sluice.example/client"
)

// A consumerCase plays a case of the layer "consumer". What it has in common with a feed is in feedCase.
type consumerCase struct {
	*feedCase
	consumer *sluice.Consumer
}

func (c *consumerCase) restart() { c.consumer.Reconnect() }

func (c *consumerCase) stop() {
	go func() {
		c.consumer.Close()
		c.close()
	}()
}

func followConsumer(command command) client {
	given := command.Options
	c := &consumerCase{feedCase: &feedCase{gate: newGate(), command: command, fresh: given.Refresh}}
	gateway, err := c.gateway()
	if err != nil {
		c.saw("ended", map[string]any{"why": "failed", "detail": err.Error()})
		return c
	}
	options := sluice.ConsumerOptions{
		AckEvery:    given.AckEvery,
		AckAfter:    given.AckAfter.duration(),
		CloseWithin: given.Close.duration(),
		Takeover:    given.Takeover,
		Standby:     given.Standby,
		State:       c.state,
		Notice:      c.notice,
	}
	if given.Reload != nil {
		options.Reload = func(ctx context.Context, reset sluice.Reset) error {
			_, err := c.reload(ctx, reset)
			return err
		}
	}
	c.consumer = gateway.Consumer(context.Background(), given.Consumer, options)
	go func() { c.saw("ended", why(c.consumer.Each(context.Background(), c.handle))) }()
	return c
}

func (c *consumerCase) handle(_ context.Context, event sluice.Event) error {
	c.saw("event", map[string]any{"id": event.ID, "type": event.Type, "data": event.Data})
	if c.command.Options.Hold == "event" {
		c.wait()
	}
	if c.command.Options.Throws == event.ID {
		return errors.New("the handler of the case fails")
	}
	c.saw("handled", map[string]any{"id": event.ID})
	return nil
}
