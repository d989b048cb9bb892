import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/**
 * Follows a stream of Sluice with okhttp-sse 4.12, Java 17 or later. Call run() on a thread of its own; interrupt the thread to stop.
 * The cursor is in a file, which is replaced after an event was handled: after a crash that event comes again.
 */
class Feed {
  interface Application {
    /** @param fresh the last token was refused, or has expired. @return null if there is none. */
    String token(boolean fresh) throws Exception;

    void handle(String id, String type, String data) throws Exception;

    /** Events are missing: load the state again. @return its X-Sluice-Head; null to go on after the gap. */
    String reload(String cursor, String reset) throws Exception;
  }

  /** The gateway refuses, for good. The code is that of the problem or of the notice; the status is 0 for a notice. */
  static final class Refused extends Exception {
    private static final long serialVersionUID = 1;
    final int status;
    final String code;

    Refused(int status, String code, String detail) {
      super(detail);
      this.status = status;
      this.code = code;
    }
  }

  /** What a connection has ended with. */
  private enum End {
    LATER,
    AT_ONCE,
    CLOSED,
    EXPIRED
  }

  private static final Set<String> NOTICES =
      Set.of("server.state", "heartbeat", "cursor", "unavailable", "auth-expired", "auth-renewed", "auth-revoked", "reset");

  private final OkHttpClient http;
  private final String url;
  private final Path file;
  private final Application application;
  private final long retryMs;
  private final long maxMs;
  private String cursor = "";
  private boolean delivered;
  private boolean asked;
  private Refused refusal;
  private long retryAfterMs;

  /** @param url such as http://127.0.0.1:8080/api/events?types=item.*&cursors=named: okhttp-sse hides blocks without data. */
  Feed(String url, Path file, Application application, long retryMs, long maxMs) throws IOException {
    this.url = url;
    this.file = file;
    this.application = application;
    this.retryMs = retryMs;
    this.maxMs = maxMs;
    // A little more than two heartbeats. Between two attempts nothing is kept of a connection that may be dead.
    http = new OkHttpClient.Builder().readTimeout(Duration.ofSeconds(65)).retryOnConnectionFailure(false).build();
    if (Files.exists(file)) cursor = Files.readString(file).strip();
  }

  /** Returns when the stream is closed. @throws Refused, or what the application throws */
  void run() throws Exception {
    var token = application.token(false);
    for (long delay = 0; ; ) {
      delivered = false;
      retryAfterMs = 0;
      var end = connect(token);
      if (end == End.CLOSED) return;
      if (end == End.EXPIRED) {
        token = asked ? null : application.token(true);
        if (token == null) throw refusal;
        asked = true;
      }
      if (end != End.LATER) continue;
      // Doubling while nothing arrives, up to half as much again at random. okhttp-sse does not show `retry`.
      delay = Math.max(retryMs, delivered ? 0 : Math.min(delay * 2, maxMs * 2 / 3));
      var least = Math.max(delay, retryAfterMs);
      Thread.sleep(least + ThreadLocalRandom.current().nextLong(least / 2 + 1));
    }
  }

  private End connect(String token) throws Exception {
    var ended = new CompletableFuture<End>();
    var request = new Request.Builder().url(url).header("Authorization", "Bearer " + token).header("Cache-Control", "no-cache");
    if (!cursor.isEmpty()) request.header("Last-Event-ID", cursor);
    var source = EventSources.createFactory(http).newEventSource(request.build(), new Listener(ended));
    try {
      return ended.get();
    } catch (ExecutionException error) {
      throw error.getCause() instanceof Exception cause ? cause : error;
    } finally {
      source.cancel();
      http.connectionPool().evictAll();
    }
  }

  private final class Listener extends EventSourceListener {
    private final CompletableFuture<End> ended;

    Listener(CompletableFuture<End> ended) {
      this.ended = ended;
    }

    @Override
    public void onOpen(EventSource source, Response response) {
      asked = false;
    }

    @Override
    public void onEvent(EventSource source, String id, String type, String data) {
      // The rest of a connection that is over.
      if (ended.isDone()) return;
      try {
        delivered = true;
        var end = take(id == null ? cursor : id, type == null ? "message" : type, data);
        if (end != null) ended.complete(end);
      } catch (Exception error) {
        ended.completeExceptionally(error);
      }
    }

    @Override
    public void onClosed(EventSource source) {
      ended.complete(End.LATER);
    }

    @Override
    public void onFailure(EventSource source, Throwable error, Response response) {
      var status = response == null ? 0 : response.code();
      if (status == 204) ended.complete(End.CLOSED);
      else if (status == 200 && !delivered && error instanceof IllegalStateException) {
        ended.completeExceptionally(error);
      } else if (status == 0 || status == 200 || status == 408 || status == 425 || status == 429 || status >= 500) {
        var after = response == null ? null : response.header("Retry-After");
        if (after != null && after.matches("\\d{1,9}")) retryAfterMs = Math.min(Long.parseLong(after), 300) * 1_000;
        ended.complete(End.LATER);
      } else {
        refusal = refusalIn(response);
        if (status == 401) ended.complete(End.EXPIRED);
        else ended.completeExceptionally(refusal);
      }
    }
  }

  /** @return null while the connection goes on. */
  private End take(String id, String type, String data) throws Exception {
    if (type.equals("auth-revoked")) throw new Refused(0, type, "Log in again.");
    if (type.equals("reset")) {
      var head = application.reload(id, data);
      store(head == null ? id : head);
      return head == null || head.equals(id) ? null : End.AT_ONCE;
    }
    if (!NOTICES.contains(type) && !id.equals(cursor)) application.handle(id, type, data);
    // Only now: an event that was not handled yet must come again. Notices carry the cursor, too.
    store(id);
    if (type.equals("auth-expired")) {
      refusal = new Refused(0, type, "Get a new token.");
      return End.EXPIRED;
    }
    return type.equals("unavailable") ? End.LATER : null;
  }

  private void store(String id) throws IOException {
    if (id.equals(cursor)) return;
    save(id);
    cursor = id;
  }

  void save(String id) throws IOException {
    var next = Path.of(file + ".new");
    Files.writeString(next, id);
    Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }

  private static Refused refusalIn(Response response) {
    String problem;
    try {
      problem = response.peekBody(64 << 10).string();
    } catch (IOException | IllegalStateException error) {
      problem = "";
    }
    var code = member(problem, "code");
    return new Refused(response.code(), code.isEmpty() ? "http-" + response.code() : code, member(problem, "detail"));
  }

  /** A program that has a JSON library uses that. */
  private static String member(String problem, String name) {
    var found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(problem);
    return found.find() ? found.group(1) : "";
  }
}
