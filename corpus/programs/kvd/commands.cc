// A table of commands, one function each. Texts of errors are Redis'.
#include "corpus/programs/kvd/commands.h"

#include <fnmatch.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <span>

namespace kvd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Command {
  std::string_view name;
  int arity;  // as Redis counts: the name included, negative: at least
  std::string_view summary;
  std::string_view group;
  void (*run)(Session&, const Arguments&);
};
std::span<const Command> commands();
const Command* find_command(std::string_view name);

constexpr std::string_view kSyntaxError = "ERR syntax error";
constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool parse(std::string_view text, int64_t* value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && stop == text.data() + text.size();
}

void ok(Session& s) { s.reply.simple("OK"); }

void wrong_arity(Session& s, std::string_view name) {
  s.reply.error("ERR wrong number of arguments for '" + std::string(name) + "' command");
}

void unknown_subcommand(Session& s, std::string_view command, std::string_view name) {
  s.reply.error("ERR unknown subcommand '" + std::string(name.substr(0, 128)) + "'. Try " +
                std::string(command) + " HELP.");
}

void bulk_or_null(Session& s, const std::optional<std::string>& value) {
  if (value) {
    s.reply.bulk(*value);
  } else {
    s.reply.null();
  }
}

// ---- connection -------------------------------------------------------------------------------

void ping(Session& s, const Arguments& a) {
  if (a.size() > 2) return wrong_arity(s, "ping");
  if (a.size() == 2) return s.reply.bulk(a[1]);
  s.reply.simple("PONG");
}

void echo(Session& s, const Arguments& a) { s.reply.bulk(a[1]); }

void quit(Session& s, const Arguments&) {
  ok(s);
  s.quit = true;
}

void select_db(Session& s, const Arguments& a) {
  int64_t index = 0;
  if (!parse(a[1], &index)) return s.reply.error(kNotAnInteger);
  if (index != 0) return s.reply.error("ERR DB index is out of range");
  ok(s);
}

void hello(Session& s, const Arguments& a) {
  if (a.size() > 1 && a[1] != "2") return s.reply.error("NOPROTO unsupported protocol version");
  s.reply.array(6);
  s.reply.bulk("server");
  s.reply.bulk("kvd");
  s.reply.bulk("proto");
  s.reply.integer(2);
  s.reply.bulk("id");
  s.reply.integer(static_cast<int64_t>(s.id));
}

void client(Session& s, const Arguments& a) {
  if (same(a[1], "ID")) return s.reply.integer(static_cast<int64_t>(s.id));
  if (same(a[1], "GETNAME")) return s.reply.bulk(s.name);
  if (same(a[1], "SETINFO") && a.size() == 4) return ok(s);
  if (same(a[1], "SETNAME") && a.size() == 3) {
    s.name = a[2];
    return ok(s);
  }
  if (same(a[1], "INFO")) {
    return s.reply.bulk("id=" + std::to_string(s.id) + " name=" + s.name + " db=0\n");
  }
  unknown_subcommand(s, "CLIENT", a[1]);
}

// ---- strings ----------------------------------------------------------------------------------

void get(Session& s, const Arguments& a) { bulk_or_null(s, s.store->get(a[1])); }

// The options behind SET key value. False: an error was answered.
bool set_options(Session& s, const Arguments& a, Store::SetOptions* options, bool* want_old) {
  for (size_t i = 3; i < a.size(); ++i) {
    int64_t number = 0;
    const bool is_ex = same(a[i], "EX"), is_px = same(a[i], "PX");
    if (same(a[i], "NX") && options->when == Store::When::always) {
      options->when = Store::When::if_absent;
    } else if (same(a[i], "XX") && options->when == Store::When::always) {
      options->when = Store::When::if_present;
    } else if (same(a[i], "GET")) {
      *want_old = true;
    } else if (same(a[i], "KEEPTTL") && !options->expires_in) {
      options->keep_expiry = true;
    } else if ((is_ex || is_px) && i + 1 < a.size() && !options->expires_in && !options->keep_expiry) {
      if (!parse(a[++i], &number)) return s.reply.error(kNotAnInteger), false;
      if (number <= 0 || number > INT64_MAX / 1'000'000'000) {
        return s.reply.error("ERR invalid expire time in 'set' command"), false;
      }
      options->expires_in = is_ex ? Duration(seconds(number)) : Duration(milliseconds(number));
    } else {
      return s.reply.error(kSyntaxError), false;
    }
  }
  return true;
}

void set(Session& s, const Arguments& a) {
  Store::SetOptions options;
  bool want_old = false;
  if (!set_options(s, a, &options, &want_old)) return;
  std::optional<std::string> old;
  const bool done = s.store->set(a[1], a[2], options, want_old ? &old : nullptr);
  if (want_old) return bulk_or_null(s, old);
  if (done) return ok(s);
  s.reply.null();
}

void setnx(Session& s, const Arguments& a) {
  s.reply.integer(s.store->set(a[1], a[2], {.when = Store::When::if_absent}));
}

void getset(Session& s, const Arguments& a) {
  std::optional<std::string> old;
  s.store->set(a[1], a[2], {}, &old);
  bulk_or_null(s, old);
}

void append(Session& s, const Arguments& a) {
  s.reply.integer(static_cast<int64_t>(s.store->append(a[1], a[2])));
}

void strlen_of(Session& s, const Arguments& a) {
  s.reply.integer(static_cast<int64_t>(s.store->get(a[1]).value_or("").size()));
}

void increment(Session& s, std::string_view key, int64_t by) {
  int64_t result = 0;
  switch (s.store->increment(key, by, &result)) {
    case Store::Increment::done: return s.reply.integer(result);
    case Store::Increment::not_an_integer: return s.reply.error(kNotAnInteger);
    case Store::Increment::overflow:
      return s.reply.error("ERR increment or decrement would overflow");
  }
}

void incr(Session& s, const Arguments& a) { increment(s, a[1], 1); }
void decr(Session& s, const Arguments& a) { increment(s, a[1], -1); }

void incrby(Session& s, const Arguments& a) {
  int64_t by = 0;
  if (!parse(a[2], &by)) return s.reply.error(kNotAnInteger);
  increment(s, a[1], by);
}

void decrby(Session& s, const Arguments& a) {
  int64_t by = 0;
  if (!parse(a[2], &by)) return s.reply.error(kNotAnInteger);
  if (by == INT64_MIN) return s.reply.error("ERR decrement would overflow");
  increment(s, a[1], -by);
}

void mget(Session& s, const Arguments& a) {
  s.reply.array(a.size() - 1);
  for (size_t i = 1; i < a.size(); ++i) bulk_or_null(s, s.store->get(a[i]));
}

void mset(Session& s, const Arguments& a) {
  if (a.size() % 2 == 0) return wrong_arity(s, "mset");
  for (size_t i = 1; i + 1 < a.size(); i += 2) s.store->set(a[i], a[i + 1], {});
  ok(s);
}

// ---- keys -------------------------------------------------------------------------------------

void del(Session& s, const Arguments& a) {
  int64_t removed = 0;
  for (size_t i = 1; i < a.size(); ++i) removed += s.store->remove(a[i]);
  s.reply.integer(removed);
}

void exists(Session& s, const Arguments& a) {
  int64_t found = 0;
  for (size_t i = 1; i < a.size(); ++i) found += s.store->exists(a[i]);
  s.reply.integer(found);
}

void expire_in(Session& s, const Arguments& a, Duration unit) {
  int64_t count = 0;
  if (!parse(a[2], &count)) return s.reply.error(kNotAnInteger);
  int64_t total = 0;
  if (__builtin_mul_overflow(count, unit.count(), &total)) {
    return s.reply.error("ERR invalid expire time in '" + std::string(a[0]) + "' command");
  }
  s.reply.integer(s.store->expire(a[1], Duration(total)));
}
void expire(Session& s, const Arguments& a) { expire_in(s, a, seconds(1)); }
void pexpire(Session& s, const Arguments& a) { expire_in(s, a, milliseconds(1)); }

void pttl(Session& s, const Arguments& a) { s.reply.integer(s.store->time_to_live_ms(a[1])); }
void ttl(Session& s, const Arguments& a) {
  const int64_t ms = s.store->time_to_live_ms(a[1]);
  s.reply.integer(ms < 0 ? ms : (ms + 500) / 1000);
}
void persist(Session& s, const Arguments& a) { s.reply.integer(s.store->persist(a[1])); }

void type(Session& s, const Arguments& a) {
  s.reply.simple(s.store->exists(a[1]) ? "string" : "none");
}

void keys(Session& s, const Arguments& a) {
  const std::vector<std::string> found = s.store->keys(a[1]);
  s.reply.array(found.size());
  for (const std::string& key : found) s.reply.bulk(key);
}

void dbsize(Session& s, const Arguments&) {
  s.reply.integer(static_cast<int64_t>(s.store->size()));
}

void flush(Session& s, const Arguments&) {
  s.store->clear();
  ok(s);
}

// ---- server -----------------------------------------------------------------------------------

struct Parameter {
  std::string_view name, value;
};
constexpr Parameter kParameters[] = {
    {"appendonly", "no"}, {"databases", "1"}, {"maxmemory", "0"}, {"save", ""},
};

void config(Session& s, const Arguments& a) {
  if (same(a[1], "RESETSTAT")) return ok(s);
  if (same(a[1], "SET")) return s.reply.error("ERR kvd has no configuration to set");
  if (!same(a[1], "GET") || a.size() < 3) return unknown_subcommand(s, "CONFIG", a[1]);
  std::vector<Parameter> found;
  for (const Parameter& parameter : kParameters) {
    for (size_t i = 2; i < a.size(); ++i) {
      const std::string pattern(a[i]);
      if (fnmatch(pattern.c_str(), parameter.name.data(), FNM_CASEFOLD) != 0) continue;
      found.push_back(parameter);
      break;
    }
  }
  s.reply.array(found.size() * 2);
  for (const Parameter& parameter : found) {
    s.reply.bulk(parameter.name);
    s.reply.bulk(parameter.value);
  }
}

void info(Session& s, const Arguments&) {
  const Statistics& st = *s.statistics;
  std::string text = "# Server\r\nredis_version:7.0.0\r\nserver_name:kvd\r\nredis_mode:standalone\r\n";
  text += "\r\n# Clients\r\nconnected_clients:" + std::to_string(st.open.load()) + "\r\n";
  text += "\r\n# Stats\r\ntotal_connections_received:" + std::to_string(st.connections.load());
  text += "\r\ntotal_commands_processed:" + std::to_string(st.commands.load()) + "\r\n";
  text += "\r\n# Keyspace\r\ndb0:keys=" + std::to_string(s.store->size()) + "\r\n";
  s.reply.bulk(text);
}

void describe(Session& s, const Command& command) {
  s.reply.array(6);
  std::string lower(command.name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c | 0x20; });
  s.reply.bulk(lower);
  s.reply.integer(command.arity);
  s.reply.array(0);  // flags
  for (int i = 0; i < 3; ++i) s.reply.integer(0);  // first key, last key, step
}

void document(Session& s, const Command& command) {
  s.reply.bulk(command.name);
  s.reply.array(4);
  s.reply.bulk("summary");
  s.reply.bulk(command.summary);
  s.reply.bulk("group");
  s.reply.bulk(command.group);
}

// The commands that a[2..] name, or all of them; those that are not there are null.
std::vector<const Command*> chosen(const Arguments& a) {
  std::vector<const Command*> list;
  for (size_t i = 2; i < a.size(); ++i) list.push_back(find_command(a[i]));
  if (a.size() > 2) return list;
  for (const Command& command : commands()) list.push_back(&command);
  return list;
}

void command_docs(Session& s, const Arguments& a) {
  std::vector<const Command*> list = chosen(a);
  std::erase(list, nullptr);
  s.reply.array(list.size() * 2);
  for (const Command* command : list) document(s, *command);
}

void command(Session& s, const Arguments& a) {
  if (a.size() == 1 || same(a[1], "INFO")) {
    const std::vector<const Command*> list = chosen(a);
    s.reply.array(list.size());
    for (const Command* one : list) one ? describe(s, *one) : s.reply.null();
  } else if (same(a[1], "COUNT")) {
    s.reply.integer(static_cast<int64_t>(commands().size()));
  } else if (same(a[1], "DOCS")) {
    command_docs(s, a);
  } else if (same(a[1], "LIST")) {
    s.reply.array(commands().size());
    for (const Command& one : commands()) s.reply.bulk(one.name);
  } else {
    unknown_subcommand(s, "COMMAND", a[1]);
  }
}

void shutdown(Session& s, const Arguments&) { s.quit = s.shutdown = true; }

// ---- the table, by name -----------------------------------------------------------------------

constexpr Command kCommands[] = {
    {"APPEND", 3, "Appends to a value", "string", append},
    {"CLIENT", -2, "About this connection", "connection", client},
    {"COMMAND", -1, "About the commands", "server", command},
    {"CONFIG", -2, "About the configuration", "server", config},
    {"DBSIZE", 1, "Counts the keys", "server", dbsize},
    {"DECR", 2, "Subtracts one", "string", decr},
    {"DECRBY", 3, "Subtracts a number", "string", decrby},
    {"DEL", -2, "Removes keys", "generic", del},
    {"ECHO", 2, "Returns its argument", "connection", echo},
    {"EXISTS", -2, "Counts the keys that exist", "generic", exists},
    {"EXPIRE", 3, "Lets a key expire after seconds", "generic", expire},
    {"FLUSHALL", -1, "Removes all keys", "server", flush},
    {"FLUSHDB", -1, "Removes all keys", "server", flush},
    {"GET", 2, "Returns a value", "string", get},
    {"GETSET", 3, "Sets a value and returns the one before", "string", getset},
    {"HELLO", -1, "Agrees on the protocol", "connection", hello},
    {"INCR", 2, "Adds one", "string", incr},
    {"INCRBY", 3, "Adds a number", "string", incrby},
    {"INFO", -1, "About the server", "server", info},
    {"KEYS", 2, "Lists the keys that match a pattern", "generic", keys},
    {"MGET", -2, "Returns several values", "string", mget},
    {"MSET", -3, "Sets several values", "string", mset},
    {"PERSIST", 2, "Takes an expiry away", "generic", persist},
    {"PEXPIRE", 3, "Lets a key expire after milliseconds", "generic", pexpire},
    {"PING", -1, "Answers PONG", "connection", ping},
    {"PTTL", 2, "Milliseconds until a key expires", "generic", pttl},
    {"QUIT", -1, "Closes the connection", "connection", quit},
    {"SELECT", 2, "Chooses database 0", "connection", select_db},
    {"SET", -3, "Sets a value", "string", set},
    {"SETNX", 3, "Sets a value if there is none", "string", setnx},
    {"SHUTDOWN", -1, "Ends the server", "server", shutdown},
    {"STRLEN", 2, "Length of a value", "string", strlen_of},
    {"TTL", 2, "Seconds until a key expires", "generic", ttl},
    {"TYPE", 2, "What a key holds", "generic", type},
};

std::span<const Command> commands() { return kCommands; }

int compare(std::string_view a, std::string_view b) {
  const int order = strncasecmp(a.data(), b.data(), std::min(a.size(), b.size()));
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

const Command* find_command(std::string_view name) {
  const auto found = std::lower_bound(
      std::begin(kCommands), std::end(kCommands), name,
      [](const Command& c, std::string_view wanted) { return compare(c.name, wanted) < 0; });
  return found != std::end(kCommands) && same(found->name, name) ? found : nullptr;
}

bool fits(const Command& command, size_t count) {
  const size_t least = static_cast<size_t>(command.arity < 0 ? -command.arity : command.arity);
  return command.arity < 0 ? count >= least : count == least;
}

}  // namespace

void dispatch(Session& session, const Arguments& arguments) {
  session.statistics->commands.fetch_add(1, std::memory_order_relaxed);
  const Command* command = find_command(arguments[0]);
  if (!command) {
    session.reply.error("ERR unknown command '" + std::string(arguments[0].substr(0, 128)) + "'");
  } else if (!fits(*command, arguments.size())) {
    std::string lower(command->name);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c | 0x20; });
    wrong_arity(session, lower);
  } else {
    command->run(session, arguments);
  }
}

}  // namespace kvd
