import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;

/**
 * The "Database Activity" feed of a desktop client in Java 17 or later, with nothing but its own library. Run it with {@code java
 * Activity.java}, and with {@code -Djava.net.useSystemProxies=true} behind the proxy of the system. Settings: as activity.py.
 */
final class Activity {
  /** A little more than two heartbeats of the gateway: a longer silence is a dead connection. */
  private static final int SILENCE_MS = 65_000;

  private static final int SLOWEST_RETRY_MS = 30_000;

  /** Both stand at the beginning of a line. The rest is for the JSON library of your program. */
  private static final Pattern LINE = Pattern.compile("^\\{(?:\"id\":\"([^\"]*)\",)?(\"position\":\\d+,)?\"type\":\"([^\"]*)\"");

  private final Path cursor = Path.of(setting("CURSOR_FILE", "activity.cursor"));

  public static void main(String[] args) throws Exception {
    new Activity().follow();
  }

  private void follow() throws InterruptedException {
    for (int failures = 0, refusals = 0; ; failures++) {
      try {
        var connection = connect();
        var status = connection.getResponseCode();
        // 401: the token expired meanwhile, and the next one may be valid; but do not ask for ever.
        if (status >= 400 && status < 500 && status != 429 && (status != 401 || refusals++ > 0)) {
          System.out.println("refused: " + status);
          return;
        }
        if (status == 200) {
          var input = new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8);
          try (var lines = new BufferedReader(input)) {
            for (var line = lines.readLine(); line != null; line = lines.readLine()) {
              failures = refusals = 0;
              take(line);
            }
          }
        }
      } catch (IOException error) {
        // The connection broke, or was silent for too long.
      }
      var longest = Math.min(1_000 << Math.min(failures + 1, 10), SLOWEST_RETRY_MS);
      Thread.sleep(ThreadLocalRandom.current().nextInt(longest / 2, longest));
    }
  }

  private HttpURLConnection connect() throws IOException {
    // Without a cursor it begins with the last 20 events.
    var url = URI.create(setting("SLUICE_URL", "http://127.0.0.1:8080") + "/api/events?last=20").toURL();
    var connection = (HttpURLConnection) url.openConnection();
    connection.setConnectTimeout(10_000);
    connection.setReadTimeout(SILENCE_MS);
    connection.setRequestProperty("Authorization", "Bearer " + token());
    connection.setRequestProperty("Accept", "application/x-ndjson");
    if (Files.exists(cursor)) connection.setRequestProperty("Last-Event-ID", Files.readString(cursor));
    return connection;
  }

  private void take(String line) throws IOException {
    var parts = LINE.matcher(line);
    // A line that was cut off comes again.
    if (!parts.find() || !line.endsWith("}")) return;
    if (parts.group(3).equals("reset")) System.out.println("events are missing: load everything again");
    else if (parts.group(2) != null) System.out.println(line);
    // Only now: an event that was not shown yet must come again. Notices such as heartbeats carry the cursor too.
    if (parts.group(1) != null) {
      var next = Path.of(cursor + ".new");
      Files.writeString(next, parts.group(1));
      Files.move(next, cursor, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  /** Where your program asks your login for a new token. */
  private static String token() throws IOException {
    var file = setting("TOKEN_FILE", "");
    return file.isEmpty() ? System.getenv("SLUICE_TOKEN") : Files.readString(Path.of(file)).strip();
  }

  private static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }
}
