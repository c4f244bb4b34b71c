// The keys and values of kvd, under one mutex. Keys may expire, by a timer each.
//
// Thread safety: any goroutine.
//
// The deliberate bug: without KVD_ATOMIC_INCR, increment() reads under the lock and writes under a
// second acquisition of it, so that what another goroutine wrote in between is lost. kvd_fixed is
// built with the definition.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <reprise/reprise.h>

namespace kvd {

using reprise::Duration;

class Store {
 public:
  enum class When { always, if_absent, if_present };
  struct SetOptions {
    When when = When::always;
    std::optional<Duration> expires_in;
    bool keep_expiry = false;
  };
  enum class Increment { done, not_an_integer, overflow };
  static constexpr int64_t kNoKey = -2;     // answers of time_to_live, as the protocol has them
  static constexpr int64_t kNoExpiry = -1;

  // False if `when` forbade it. The value before goes to *old if wanted.
  bool set(std::string_view key, std::string_view value, SetOptions options,
           std::optional<std::string>* old = nullptr);
  std::optional<std::string> get(std::string_view key);
  bool exists(std::string_view key);
  bool remove(std::string_view key);
  Increment increment(std::string_view key, int64_t by, int64_t* result);
  size_t append(std::string_view key, std::string_view tail);  // the new length
  bool expire(std::string_view key, Duration after);           // false: no such key
  bool persist(std::string_view key);                          // false: nothing to take away
  int64_t time_to_live_ms(std::string_view key);
  std::vector<std::string> keys(std::string_view pattern);     // sorted
  size_t size();
  void clear();

 private:
  struct Entry {
    std::string value;
    uint64_t lease = 0;   // 0: does not expire; else tells this expiry from earlier ones
    int64_t expires_ns = 0;
    std::optional<reprise::Timer> timer;  // while there is a lease
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Map = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

  Entry* find(std::string_view key);
  void put(std::string_view key, std::string_view value, bool keep_expiry);
  void start_lease(std::string_view key, Entry* entry, Duration after);
  void end_lease(Entry* entry);
  void lease_ended(const std::string& key, uint64_t lease);

  reprise::Mutex mutex_;
  Map map_;             // mutex_
  uint64_t leases_ = 0;  // mutex_
};

}  // namespace kvd
