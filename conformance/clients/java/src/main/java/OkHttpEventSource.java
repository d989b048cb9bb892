import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.ErrorStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.StreamException;
import com.launchdarkly.eventsource.StreamHttpErrorException;
import java.net.URI;
import java.util.concurrent.TimeUnit;

/** LaunchDarkly's okhttp-eventsource reconnects by itself, but its default strategy stops at the first error. */
final class OkHttpEventSource {
  static void follow(String url, String token, Hear hear) {
    var connection =
        ConnectStrategy.http(URI.create(url))
            .header("Authorization", "Bearer " + token)
            // A little more than two heartbeats of the gateway.
            .readTimeout(65, TimeUnit.SECONDS);
    try (var source = new EventSource.Builder(connection).errorStrategy(new UnlessRefused()).build()) {
      for (MessageEvent event : source.messages()) {
        hear.event(event.getLastEventId(), event.getEventName(), event.getData());
      }
    }
  }

  private static final class UnlessRefused extends ErrorStrategy {
    @Override
    public Result apply(StreamException error) {
      var refused = error instanceof StreamHttpErrorException answer && answer.getCode() < 500;
      return new Result(refused ? Action.THROW : Action.CONTINUE, null);
    }
  }
}
