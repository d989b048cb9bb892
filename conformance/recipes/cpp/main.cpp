// The recipe as a program for its tests: settings from the environment, a JSON object for each thing that it sees.
#include "feed.hpp"
#include <fstream>
#include <iostream>
#include <sstream>

static std::string setting(const char* name) { auto value = std::getenv(name); return value ? value : ""; }

static void say(const std::string& what, const std::string& more) {
  std::cout << "{\"saw\":\"" << what << "\"" << more << "}" << std::endl;
}

static void wait_for_go(const char* what) {
  std::string line;
  if (setting("HOLD") == what) std::getline(std::cin, line);
}

int main() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  std::istringstream tokens(setting("TOKENS"));
  sluice::Options options;
  options.url = setting("STREAM_URL");
  if (std::ifstream file(setting("CURSOR_FILE")); file) std::getline(file, options.cursor);
  options.token = [&](bool fresh) {
    std::string token;
    if (fresh) say("asked", "");
    tokens >> token;
    return token;
  };
  options.handle = [](const sluice::Event& event) {
    auto data = event.data;
    std::replace(data.begin(), data.end(), '\n', ' ');
    say("event", ",\"id\":\"" + event.id + "\",\"type\":\"" + event.type + "\",\"data\":" + data);
    wait_for_go("event");
  };
  options.store = [](const std::string& cursor) {
    auto path = setting("CURSOR_FILE");
    std::ofstream(path + ".new") << cursor << "\n";
    std::rename((path + ".new").c_str(), path.c_str());
    say("stored", ",\"id\":\"" + cursor + "\"");
  };
  options.reload = [](const sluice::Event& reset) {
    auto at = reset.data.find("\"reason\":\"") + 10;
    say("reset", ",\"id\":\"" + reset.id + "\",\"reason\":\"" + reset.data.substr(at, reset.data.find('"', at) - at) + "\"");
    wait_for_go("reset");
    say("reloaded", "");
    return setting("RELOAD");
  };
  if (!setting("RETRY_MS").empty()) options.retry_ms = std::stol(setting("RETRY_MS"));
  if (!setting("MAX_MS").empty()) options.max_ms = std::stol(setting("MAX_MS"));
  try {
    sluice::feed(options);
    say("ended", ",\"why\":\"closed\"");
  } catch (const sluice::Refused& refused) {
    say("ended", ",\"why\":\"refused\",\"status\":" + std::to_string(refused.status) + ",\"code\":\"" + refused.code + "\",\"detail\":\"" +
                     refused.what() + "\"");
  } catch (const sluice::ProtocolError& error) {
    say("ended", std::string(",\"why\":\"protocol\",\"detail\":\"") + error.what() + "\"");
  }
}
