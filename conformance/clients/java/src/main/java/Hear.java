/** Receives one event. */
interface Hear {
  void event(String id, String type, String data);
}
