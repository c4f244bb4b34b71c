// Searches that sample, and the one that follows a schedule.
//
// What a read takes: half the time the newest message, else any. PCT draws priorities and the steps at
// which the running thread falls behind all others; it finds a bug of depth d with probability at
// least 1 / (n k^(d-1)) for n threads and k steps.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "tests/model/search.h"

namespace reprise::model {

namespace {

using Generator = std::mt19937_64;

size_t draw_value(Generator& random, size_t count) {
  return random() % 2 == 0 ? 0 : random() % count;
}

class Random final : public Search {
 public:
  Random(uint64_t seed, uint64_t executions) : random_(seed), left_(executions) {}
  void begin() override {}
  int thread(Threads enabled, int, uint32_t) override {
    int index = static_cast<int>(random_() % static_cast<unsigned>(__builtin_popcount(enabled)));
    while (index-- > 0) enabled &= static_cast<Threads>(enabled - 1);
    return __builtin_ctz(enabled);
  }
  size_t value(size_t count) override { return draw_value(random_, count); }
  bool next() override { return --left_ != 0; }

 private:
  Generator random_;
  uint64_t left_;
};

class Pct final : public Search {
 public:
  Pct(uint64_t seed, uint64_t executions, int depth)
      : random_(seed), left_(executions), changes_(static_cast<size_t>(depth - 1)) {}

  void begin() override {
    longest_ = std::max(longest_, step_);
    step_ = 0;
    for (int i = 0; i < kMaxThreads; ++i) priority_[i] = kMaxThreads + i;
    std::shuffle(std::begin(priority_), std::end(priority_), random_);
    for (uint64_t& at : changes_) at = 1 + random_() % longest_;
    lowest_ = kMaxThreads - 1;
  }

  int thread(Threads enabled, int current, uint32_t) override {
    ++step_;
    const bool change = std::find(changes_.begin(), changes_.end(), step_) != changes_.end();
    if (change && current >= 0) priority_[current] = lowest_--;
    int best = -1;
    for (int t = 0; t < kMaxThreads; ++t) {
      if ((enabled >> t & 1) && (best < 0 || priority_[t] > priority_[best])) best = t;
    }
    return best;
  }
  size_t value(size_t count) override { return draw_value(random_, count); }
  bool next() override { return --left_ != 0; }

 private:
  Generator random_;
  uint64_t left_;
  std::vector<uint64_t> changes_;
  int priority_[kMaxThreads];
  int lowest_ = 0;
  uint64_t step_ = 0;
  uint64_t longest_ = 50;
};

class Replay final : public Search {
 public:
  explicit Replay(std::vector<Choice> choices) : choices_(std::move(choices)) {}
  void begin() override { at_ = 0; }
  int thread(Threads enabled, int, uint32_t) override {
    const int picked = at_ < choices_.size() && choices_[at_].thread ? choices_[at_++].picked : -1;
    return picked >= 0 && (enabled >> picked & 1) ? picked : kPrune;
  }
  size_t value(size_t count) override {
    const size_t picked = at_ < choices_.size() && !choices_[at_].thread ? choices_[at_++].picked : 0;
    return std::min(picked, count - 1);
  }
  bool next() override { return false; }

 private:
  std::vector<Choice> choices_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Search> make_random(uint64_t seed, uint64_t executions) {
  return std::make_unique<Random>(seed, executions);
}

std::unique_ptr<Search> make_pct(uint64_t seed, uint64_t executions, int depth) {
  return std::make_unique<Pct>(seed, executions, depth);
}

std::unique_ptr<Search> make_replay(std::vector<Choice> choices) {
  return std::make_unique<Replay>(std::move(choices));
}

// A thread's number for each step, and after it `.N` for each value that it took.
std::string schedule_text(const std::vector<Choice>& choices) {
  std::string text;
  for (const Choice& choice : choices) {
    if (!choice.thread) {
      text += '.';
    } else if (!text.empty()) {
      text += ',';
    }
    text += std::to_string(choice.picked);
  }
  return text;
}

bool parse_schedule(const std::string& text, std::vector<Choice>* choices) {
  choices->clear();
  const char* at = text.data();
  const char* const end = at + text.size();
  bool thread = true;
  while (at != end) {
    uint16_t picked = 0;
    const auto [rest, error] = std::from_chars(at, end, picked);
    if (error != std::errc{}) return false;
    choices->push_back({thread, picked});
    if (rest == end) return true;
    if (*rest != ',' && *rest != '.') return false;
    thread = *rest == ',';
    at = rest + 1;
  }
  return false;
}

}  // namespace reprise::model
