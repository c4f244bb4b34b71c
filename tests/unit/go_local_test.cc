// GoLocal: a value a goroutine, made at first use, destroyed when the goroutine ends.
#include <gtest/gtest.h>
#include <reprise/reprise.h>

#include <atomic>
#include <memory>
#include <string>

namespace reprise {
namespace {

TEST(GoLocal, each_goroutine_has_its_own_made_by_the_initialiser) {
  static GoLocal<int> budget([] { return 100; });
  *budget = 1;
  std::atomic<int> seen{0};
  WaitGroup all(2);
  for (int i = 0; i < 2; ++i) {
    go([&] {
      seen += *budget;
      *budget = 5;
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(seen, 200);
  EXPECT_EQ(*budget, 1);
}

struct Notes {
  std::string* log;
  std::string name;
  ~Notes() {
    yield();  // a destructor may wait
    *log += name;
  }
};

TEST(GoLocal, values_are_destroyed_when_the_goroutine_ends_latest_first) {
  static GoLocal<std::unique_ptr<Notes>> first, second;
  for (const bool by_goexit : {false, true}) {
    std::string log;
    const Chan<Unit> ended;
    go([&log, ended, by_goexit] {
      first->reset(new Notes{&log, "1"});
      second->reset(new Notes{&log, "2"});
      if (by_goexit) goexit();
    });
    while (num_goroutine() > 1) yield();
    EXPECT_EQ(log, "21");
  }
}

TEST(GoLocal, goroutine_that_is_used_again_starts_without_values) {
  static GoLocal<int> value;
  for (int i = 0; i < 50; ++i) {
    int seen = -1;
    go([&] { seen = (*value)++; });
    while (num_goroutine() > 1) yield();
    EXPECT_EQ(seen, 0);
  }
}

}  // namespace
}  // namespace reprise
