// Follows a stream of Sluice with libcurl 7.83 or later: C++17, one header. Call feed() on a thread of its own.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <curl/curl.h>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace sluice {

struct Event { std::string id, type, data; };

/** The gateway refuses, for good. `code` is that of the problem or of the notice; `status` is 0 for a notice. */
struct Refused : std::runtime_error {
  long status;
  std::string code;
  Refused(long status, const std::string& code, const std::string& detail = "")
      : runtime_error(detail), status(status), code(code) {}
};

/** The server is no gateway, or an event is too large. */
struct ProtocolError : std::runtime_error { using runtime_error::runtime_error; };

struct Options {
  std::string url;     // such as http://127.0.0.1:8080/api/events?types=item.*
  std::string cursor;  // what `store` has stored last, or empty
  std::function<std::string(bool fresh)> token;  // fresh: the last one was refused. Empty: there is none
  std::function<void(const Event&)> handle;
  std::function<void(const std::string& cursor)> store;  // after `handle`: an event comes again after a crash
  /** Events are missing: load the state again. Returns its X-Sluice-Head, or nothing to go on after the gap. */
  std::function<std::string(const Event& reset)> reload;
  long retry_ms = 1'000, max_ms = 30'000, longest_ms = 300'000, silence_s = 65;
  size_t max_event_bytes = 16 << 20;
  std::atomic<bool>* stop = nullptr;
};

namespace detail {

enum class Next { wait, at_once, closed };

/** One connection. An exception must not pass through curl, so the callback keeps it. */
struct Connection {
  Options& options;
  long& retry_ms;
  bool& fresh;
  CURL* curl;
  std::string line{}, id{options.cursor}, type{}, data{}, body{};
  bool delivered = false, has_data = false;
  Next next = Next::wait;
  std::exception_ptr failure{};

  static size_t received(char* bytes, size_t, size_t count, void* self) {
    auto& connection = *static_cast<Connection*>(self);
    try {
      return connection.read(bytes, count) ? count : 0;
    } catch (...) {
      connection.failure = std::current_exception();
      return 0;
    }
  }

  static int proceed(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto stop = static_cast<Connection*>(self)->options.stop;
    return stop && *stop;
  }

  long status() { long value = 0; curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &value); return value; }

  bool read(const char* bytes, size_t count) {
    if (status() != 200) {
      body.append(bytes, std::min(count, (64 << 10) - std::min<size_t>(body.size(), 64 << 10)));
      return true;
    }
    const char* content = nullptr;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &content);
    if (std::string(content ? content : "").rfind("text/event-stream", 0) != 0)
      throw ProtocolError(std::string("expected text/event-stream, got ") + (content ? content : "nothing"));
    for (const char* end = bytes + count; bytes < end;) {
      auto lf = std::find(bytes, end, '\n');
      if (line.size() + data.size() + (lf - bytes) > options.max_event_bytes) throw ProtocolError("an event is too large");
      line.append(bytes, lf);
      if (lf == end) return true;
      bytes = lf + 1;
      if (!line.empty() && line.back() == '\r') line.pop_back();
      auto text = std::exchange(line, {});
      if (text.empty() ? !dispatch() : !field(text)) return false;
    }
    return true;
  }

  bool field(const std::string& text) {
    auto colon = text.find(':');
    auto name = text.substr(0, colon);
    auto value = colon == std::string::npos ? "" : text.substr(colon + (text[colon + 1] == ' ' ? 2 : 1));
    if (name == "event") type = value;
    else if (name == "id" && value.find('\0') == std::string::npos) id = value;
    else if (name == "data") data += (has_data ? "\n" : "") + value, has_data = true;
    else if (name == "retry" && !value.empty() && value.find_first_not_of("0123456789") == std::string::npos)
      retry_ms = value.size() > 9 ? options.longest_ms : std::min(std::stol(value), options.longest_ms);
    return true;
  }

  /** An empty line ends a block. False leaves the connection. */
  bool dispatch() {
    Event event{id, std::exchange(type, {}), std::exchange(data, {})};
    bool is_event = std::exchange(has_data, false);
    delivered = true;
    if (event.type == "auth-revoked") throw Refused(0, event.type);
    if (event.type == "reset") {
      auto head = options.reload(event);
      bool elsewhere = !head.empty() && head != id;
      advance(elsewhere ? head : id);
      if (elsewhere) next = Next::at_once;
      return !elsewhere;
    }
    if (is_event && !is_notice(event.type) && id != options.cursor) options.handle(event);
    // Only now: an event that was not handled yet must come again. Notices carry the cursor, too.
    advance(id);
    if (event.type == "auth-expired") fresh = true, next = Next::at_once;
    return event.type != "auth-expired" && event.type != "unavailable";
  }

  void advance(const std::string& to) {
    if (to == options.cursor) return;
    options.cursor = to;
    if (options.store) options.store(to);
  }

  static bool is_notice(const std::string& type) {
    for (auto name : {"server.state", "heartbeat", "cursor", "unavailable", "auth-expired", "auth-renewed"})
      if (type == name) return true;
    return false;
  }
};

/** A text member of a problem document; a program that has a JSON library uses that. */
inline std::string member_of(const std::string& problem, const std::string& name) {
  auto mark = "\"" + name + "\":\"";
  auto at = problem.find(mark);
  if (at == std::string::npos) return "";
  return problem.substr(at + mark.size(), problem.find('"', at + mark.size()) - at - mark.size());
}

}  // namespace detail

/** Follows until the stream is closed, `stop` is set, or an exception ends it: Refused, ProtocolError, or one of yours. */
inline void feed(Options options) {
  using namespace detail;
  std::mt19937 random{std::random_device{}()};
  long retry_ms = options.retry_ms, delay_ms = 0;
  bool fresh = false, asked = false;
  std::string token = options.token(false), code, detail;
  while (!(options.stop && *options.stop)) {
    if (fresh) {
      auto newer = asked ? "" : options.token(true);
      if (newer.empty()) throw code.empty() ? Refused(0, "auth-expired") : Refused(401, code, detail);
      token = newer, asked = true, fresh = false;
    }
    std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
    Connection connection{options, retry_ms, fresh, curl.get()};
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, curl_slist_free_all);
    for (auto& header : {"Accept: text/event-stream" + std::string(), "Cache-Control: no-cache" + std::string(), "Authorization: Bearer " + token,
                         options.cursor.empty() ? "Last-Event-ID:" : "Last-Event-ID: " + options.cursor})
      headers.reset(curl_slist_append(headers.release(), header.c_str()));
    auto set = [&](auto option, auto value) { curl_easy_setopt(curl.get(), option, value); };
    set(CURLOPT_URL, options.url.c_str());
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_FOLLOWLOCATION, 1L);  // without the token to another origin
    set(CURLOPT_MAXREDIRS, 10L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, 30L);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);  // less than a byte per second, for longer than two heartbeats: a dead connection
    set(CURLOPT_LOW_SPEED_TIME, options.silence_s);
    set(CURLOPT_WRITEFUNCTION, &Connection::received);
    set(CURLOPT_WRITEDATA, &connection);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Connection::proceed);
    set(CURLOPT_XFERINFODATA, &connection);
    auto result = curl_easy_perform(curl.get());
    if (connection.failure) std::rethrow_exception(connection.failure);
    auto status = result == CURLE_OK || result == CURLE_WRITE_ERROR ? connection.status() : 0;
    if (status == 204) return;
    curl_off_t after_s = 0;
    if (status == 200) {
      code.clear();
      if (!fresh) asked = false;
    } else if (status >= 500 || status == 408 || status == 425 || status == 429) {
      curl_easy_getinfo(curl.get(), CURLINFO_RETRY_AFTER, &after_s);
    } else if (status != 0) {
      code = member_of(connection.body, "code");
      if (code.empty()) code = "http-" + std::to_string(status);
      detail = member_of(connection.body, "detail");
      if (status != 401 || asked) throw Refused(status, code, detail);
      fresh = true, connection.next = Next::at_once;
    } else if (result == CURLE_TOO_MANY_REDIRECTS) {
      throw Refused(302, "http-302");
    }
    if (connection.next == Next::at_once) continue;
    // From `retry`, doubling while nothing arrives, up to half as much again at random.
    if (connection.delivered) delay_ms = 0;
    delay_ms = std::max(retry_ms, std::min(delay_ms * 2, options.max_ms * 2 / 3));
    auto wait_ms = std::max(delay_ms, std::min<long>(after_s * 1'000, options.longest_ms));
    wait_ms += std::uniform_int_distribution<long>(0, wait_ms / 2)(random);
    for (; wait_ms > 0 && !(options.stop && *options.stop); wait_ms -= 100)
      std::this_thread::sleep_for(std::chrono::milliseconds(std::min(wait_ms, 100L)));
  }
}

}  // namespace sluice
