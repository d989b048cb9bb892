import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/** okhttp-sse reads one response, and does not expose `retry`; the loop is ours. */
final class OkHttpSse {
  static void follow(String url, String token, Hear hear) throws Exception {
    // The default of 10 s is shorter than the 30 s between two heartbeats of the gateway.
    var client = new OkHttpClient.Builder().readTimeout(Duration.ofSeconds(65)).build();
    var factory = EventSources.createFactory(client);
    var request = new Request.Builder().url(url).header("Authorization", "Bearer " + token);
    for (int status = 200; status == 200 || status >= 500; ) {
      var ended = new CompletableFuture<Integer>();
      factory.newEventSource(
          request.build(),
          new EventSourceListener() {
            @Override
            public void onEvent(EventSource source, String id, String type, String data) {
              hear.event(id, type, data);
              // Only now: an event that has not been processed must be sent again.
              if (id != null && !id.isEmpty()) request.header("Last-Event-ID", id);
            }

            @Override
            public void onClosed(EventSource source) {
              ended.complete(200);
            }

            @Override
            public void onFailure(EventSource source, Throwable error, Response response) {
              ended.complete(response == null ? 200 : response.code());
            }
          });
      status = ended.get();
      Thread.sleep(ThreadLocalRandom.current().nextLong(2_000, 3_000));
    }
  }
}
