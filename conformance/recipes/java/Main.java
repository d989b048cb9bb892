import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;

/** The recipe as a program for its tests: settings from the environment, a JSON object for each thing that it sees. */
final class Main implements Feed.Application {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private final BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
  private final Iterator<String> tokens = List.of(setting("TOKENS", "").split(" ")).iterator();

  public static void main(String[] args) throws Exception {
    var retryMs = Long.parseLong(setting("RETRY_MS", "1000"));
    var maxMs = Long.parseLong(setting("MAX_MS", "30000"));
    var feed =
        new Feed(setting("STREAM_URL", ""), Path.of(setting("CURSOR_FILE", "")), new Main(), retryMs, maxMs) {
          @Override
          void save(String id) throws IOException {
            super.save(id);
            say("stored", ",\"id\":\"" + id + "\"");
          }
        };
    try {
      feed.run();
      say("ended", ",\"why\":\"closed\"");
    } catch (Feed.Refused refused) {
      var members = ",\"status\":%d,\"code\":\"%s\",\"detail\":\"%s\"".formatted(refused.status, refused.code, refused.getMessage());
      say("ended", ",\"why\":\"refused\"" + members);
    } catch (IllegalStateException error) {
      say("ended", ",\"why\":\"protocol\",\"detail\":\"" + error.getMessage() + "\"");
    }
    // OkHttp's threads would keep the process alive for a minute.
    Runtime.getRuntime().halt(0);
  }

  @Override
  public String token(boolean fresh) {
    if (fresh) say("asked", "");
    return tokens.hasNext() ? tokens.next() : null;
  }

  @Override
  public void handle(String id, String type, String data) throws Exception {
    say("event", ",\"id\":\"%s\",\"type\":\"%s\",\"data\":%s".formatted(id, type, data.replace('\n', ' ')));
    if (setting("HOLD", "").equals("event")) input.readLine();
  }

  @Override
  public String reload(String cursor, String reset) throws Exception {
    var reason = reset.replaceFirst(".*\"reason\":\"([^\"]*)\".*", "$1");
    say("reset", ",\"id\":\"%s\",\"reason\":\"%s\"".formatted(cursor, reason));
    if (setting("HOLD", "").equals("reset")) input.readLine();
    say("reloaded", "");
    return System.getenv("RELOAD");
  }

  private static void say(String what, String more) {
    OUT.println("{\"saw\":\"" + what + "\"" + more + "}");
  }

  private static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }
}
