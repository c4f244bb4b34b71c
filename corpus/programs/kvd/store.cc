// The store. Every public function takes the mutex once, except increment() without
// KVD_ATOMIC_INCR, which is the bug that kvd is for.
//
// Expiry: each lease has a number, and its timer removes the key only if that lease is still the
// one in force. A key past its moment is also invisible before its timer has run.
#include "corpus/programs/kvd/store.h"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <mutex>

namespace kvd {
namespace {

int64_t now_ns() {
  return reprise::now().time_since_epoch().count();
}

bool parse(std::string_view text, int64_t* value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && stop == text.data() + text.size();
}

using Guard = std::lock_guard<reprise::Mutex>;

}  // namespace

// ---- REQUIRES: the mutex is held --------------------------------------------------------------

Store::Entry* Store::find(std::string_view key) {
  const auto found = map_.find(key);
  if (found == map_.end()) return nullptr;
  if (found->second.lease == 0 || now_ns() < found->second.expires_ns) return &found->second;
  end_lease(&found->second);
  map_.erase(found);
  return nullptr;
}

void Store::put(std::string_view key, std::string_view value, bool keep_expiry) {
  const auto found = map_.find(key);
  if (found == map_.end()) {
    map_[std::string(key)].value = value;
    return;
  }
  found->second.value = value;
  if (!keep_expiry) end_lease(&found->second);
}

void Store::start_lease(std::string_view key, Entry* entry, Duration after) {
  end_lease(entry);
  entry->lease = ++leases_;
  entry->expires_ns = now_ns() + after.count();
  entry->timer = reprise::after_func(after, [this, name = std::string(key), lease = entry->lease] {
    lease_ended(name, lease);
  });
}

void Store::end_lease(Entry* entry) {
  if (entry->lease == 0) return;
  entry->timer->stop();
  entry->timer.reset();
  entry->lease = 0;
}

// ---- public: take the mutex -------------------------------------------------------------------

void Store::lease_ended(const std::string& key, uint64_t lease) {
  Guard guard(mutex_);
  const auto found = map_.find(key);
  if (found != map_.end() && found->second.lease == lease) map_.erase(found);
}

bool Store::set(std::string_view key, std::string_view value, SetOptions options,
                std::optional<std::string>* old) {
  Guard guard(mutex_);
  Entry* entry = find(key);
  if (old && entry) *old = entry->value;
  if (options.when == When::if_absent && entry) return false;
  if (options.when == When::if_present && !entry) return false;
  put(key, value, options.keep_expiry);
  if (options.expires_in) start_lease(key, find(key), *options.expires_in);
  return true;
}

std::optional<std::string> Store::get(std::string_view key) {
  Guard guard(mutex_);
  const Entry* entry = find(key);
  if (!entry) return std::nullopt;
  return entry->value;
}

bool Store::exists(std::string_view key) {
  Guard guard(mutex_);
  return find(key) != nullptr;
}

bool Store::remove(std::string_view key) {
  Guard guard(mutex_);
  Entry* entry = find(key);
  if (!entry) return false;
  end_lease(entry);
  map_.erase(map_.find(key));
  return true;
}

namespace {

Store::Increment add(std::string_view before, int64_t by, int64_t* result) {
  int64_t value = 0;
  if (!parse(before, &value)) return Store::Increment::not_an_integer;
  if (__builtin_add_overflow(value, by, result)) return Store::Increment::overflow;
  return Store::Increment::done;
}

}  // namespace

#ifdef KVD_ATOMIC_INCR

Store::Increment Store::increment(std::string_view key, int64_t by, int64_t* result) {
  Guard guard(mutex_);
  const Entry* entry = find(key);
  const Increment outcome = add(entry ? entry->value : "0", by, result);
  if (outcome == Increment::done) put(key, std::to_string(*result), true);
  return outcome;
}

#else

Store::Increment Store::increment(std::string_view key, int64_t by, int64_t* result) {
  std::string before = "0";
  {
    Guard guard(mutex_);
    if (const Entry* entry = find(key)) before = entry->value;
  }
  const Increment outcome = add(before, by, result);
  if (outcome != Increment::done) return outcome;
  // The bug: whatever another goroutine wrote since is overwritten.
  Guard guard(mutex_);
  put(key, std::to_string(*result), true);
  return Increment::done;
}

#endif

size_t Store::append(std::string_view key, std::string_view tail) {
  Guard guard(mutex_);
  Entry* entry = find(key);
  if (!entry) {
    put(key, tail, false);
    return tail.size();
  }
  entry->value += tail;
  return entry->value.size();
}

bool Store::expire(std::string_view key, Duration after) {
  Guard guard(mutex_);
  Entry* entry = find(key);
  if (!entry) return false;
  if (after > Duration::zero()) {
    start_lease(key, entry, after);
  } else {
    end_lease(entry);
    map_.erase(map_.find(key));
  }
  return true;
}

bool Store::persist(std::string_view key) {
  Guard guard(mutex_);
  Entry* entry = find(key);
  if (!entry || entry->lease == 0) return false;
  end_lease(entry);
  return true;
}

int64_t Store::time_to_live_ms(std::string_view key) {
  Guard guard(mutex_);
  const Entry* entry = find(key);
  if (!entry) return kNoKey;
  if (entry->lease == 0) return kNoExpiry;
  return std::max<int64_t>(0, (entry->expires_ns - now_ns() + 999'999) / 1'000'000);
}

std::vector<std::string> Store::keys(std::string_view pattern) {
  const std::string zero_ended(pattern);
  std::vector<std::string> found;
  Guard guard(mutex_);
  for (const auto& [key, entry] : map_) {
    if (fnmatch(zero_ended.c_str(), key.c_str(), 0) == 0) found.push_back(key);
  }
  std::sort(found.begin(), found.end());
  return found;
}

size_t Store::size() {
  Guard guard(mutex_);
  return map_.size();
}

void Store::clear() {
  Guard guard(mutex_);
  for (auto& [key, entry] : map_) end_lease(&entry);
  map_.clear();
}

}  // namespace kvd
