// kvd: an in-memory server that speaks enough of Redis' protocol for its clients.
//
//   kvd [--port N] [--bind ADDRESS] [--unix PATH] [--exit-after-idle DURATION]
//
// Built twice: kvd has a deliberate atomicity bug in INCR (corpus/programs/kvd/store.h), kvd_fixed
// does not.
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "corpus/programs/kvd/server.h"

namespace {

constexpr uint16_t kDefaultPort = 7379;

int usage(const std::string& what) {
  std::fprintf(stderr,
               "kvd: %s\n"
               "usage: kvd [--port N] [--bind ADDRESS] [--unix PATH] [--exit-after-idle DURATION]\n"
               "  --port N              listen on this TCP port; 0: the kernel chooses (default %d)\n"
               "  --bind ADDRESS        on this interface (default 127.0.0.1)\n"
               "  --unix PATH           listen on this Unix socket; TCP only if --port is given too\n"
               "  --exit-after-idle D   end when no client was there for D after the last one left:\n"
               "                        a number and ms, s or m\n",
               what.c_str(), kDefaultPort);
  return 64;
}

template <class T>
bool parse(std::string_view text, T* value, std::string_view* rest) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  *rest = text.substr(static_cast<size_t>(stop - text.data()));
  return error == std::errc();
}

bool parse_duration(std::string_view text, kvd::Duration* duration) {
  uint32_t count = 0;
  std::string_view unit;
  if (!parse(text, &count, &unit)) return false;
  if (unit == "ms") *duration = std::chrono::milliseconds(count);
  else if (unit == "s") *duration = std::chrono::seconds(count);
  else if (unit == "m") *duration = std::chrono::minutes(count);
  else return false;
  return true;
}

// Empty, or what is wrong.
std::string parse_options(int argc, char** argv, kvd::Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const bool known = name == "--port" || name == "--bind" || name == "--unix" ||
                       name == "--exit-after-idle";
    if (!known) return "unknown option " + std::string(name);
    if (++i == argc) return std::string(name) + " wants a value";
    const std::string_view value = argv[i];
    std::string_view rest;
    uint16_t port = 0;
    kvd::Duration duration;
    if (name == "--bind") {
      options->bind = value;
    } else if (name == "--unix") {
      options->unix_path = value;
    } else if (name == "--port") {
      if (!parse(value, &port, &rest) || !rest.empty()) return "not a port: " + std::string(value);
      options->port = port;
    } else {
      if (!parse_duration(value, &duration)) return "not a duration: " + std::string(value);
      options->exit_after_idle = duration;
    }
  }
  if (!options->port && options->unix_path.empty()) options->port = kDefaultPort;
  return "";
}

int app(int argc, char** argv) {
  kvd::Options options;
  const std::string wrong = parse_options(argc, argv, &options);
  if (!wrong.empty()) return usage(wrong);
  // Never destroyed: the idle timer's stop() may still close what it opened when main is on its way out.
  kvd::Server& server = *new kvd::Server(std::move(options));
  return server.run();
}

}  // namespace

REPRISE_MAIN(app)
