import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/** Main LIBRARY URL TOKEN: the contract is in ../README.md */
final class Main {
  private static final Set<String> TYPES =
      Set.of("part.made", "part.moved", "story.end", "reset", "unavailable");
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "okhttp-sse" -> OkHttpSse.follow(args[1], args[2], Main::hear);
      case "okhttp-eventsource" -> OkHttpEventSource.follow(args[1], args[2], Main::hear);
      default -> throw new IllegalArgumentException(args[0]);
    }
    // OkHttp's threads would keep the process alive for a minute.
    System.exit(1);
  }

  private static void hear(String id, String type, String data) {
    if (!TYPES.contains(type)) return;
    OUT.print(id + " " + type + " " + data.replace("\n", "\\n") + "\n");
    OUT.flush();
    if (type.equals("story.end")) Runtime.getRuntime().halt(0);
  }
}
