// DEFER, Defers, panic, recover, goexit: the reference's rules (section 10), with destructors in between.
#include <reprise/defer.h>

#include <gtest/gtest.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <thread>
#include <memory>
#include <string>
#include <vector>

namespace reprise {
namespace {

using Log = std::vector<std::string>;

struct Noisy {
  Log& log;
  std::string name;
  ~Noisy() { log.push_back("~" + name); }
};

// ---- without panics ------------------------------------------------------------------------------------

TEST(Defer, runs_at_the_end_of_the_scope_last_first_between_destructors) {
  Log log;
  {
    DEFER { log.push_back("first"); };
    const Noisy noisy{log, "noisy"};
    DEFER { log.push_back("last"); };
    log.push_back("body");
  }
  EXPECT_EQ(log, (Log{"body", "last", "~noisy", "first"}));
}

TEST(Defer, sees_variables_as_they_are_at_the_end_and_runs_on_return) {
  int seen = 0;
  const auto f = [&](bool early) {
    int value = 1;
    DEFER { seen = value; };
    if (early) return;
    value = 2;
  };
  f(true);
  EXPECT_EQ(seen, 1);
  f(false);
  EXPECT_EQ(seen, 2);
}

TEST(Defer, recover_without_a_panic_is_false) {
  bool recovered = true;
  {
    DEFER { recovered = static_cast<bool>(recover()); };
  }
  EXPECT_FALSE(recovered);
}

TEST(Defer, runs_when_an_exception_passes_and_cannot_recover_it) {
  Log log;
  try {
    DEFER { log.push_back(recover() ? "recovered" : "passed"); };
    throw std::runtime_error("an exception");
  } catch (const std::runtime_error& e) {
    log.push_back(e.what());
  }
  EXPECT_EQ(log, (Log{"passed", "an exception"}));
}

TEST(Defers, of_a_loop_run_at_the_end_of_the_function_last_first) {
  Log log;
  {
    Defers defers;
    for (int i = 0; i < 3; ++i) defers([&log, i] { log.push_back(std::to_string(i)); });
    log.push_back("body");
  }
  EXPECT_EQ(log, (Log{"body", "2", "1", "0"}));
}

TEST(Defers, keep_closures_of_any_size_and_destroy_each_once) {
  const auto counted = std::make_shared<int>(7);
  int sum = 0;
  {
    Defers defers;
    for (int i = 0; i < 100; ++i) defers([&sum, counted] { sum += *counted; });
    const std::array<char, 1000> large{1};
    defers([&sum, large] { sum += large[0]; });
    EXPECT_EQ(counted.use_count(), 101);
  }
  EXPECT_EQ(sum, 701);
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(Defers, may_defer_more_while_they_run) {
  Log log;
  {
    Defers defers;
    defers([&] {
      log.push_back("a");
      defers([&] { log.push_back("b"); });
    });
  }
  EXPECT_EQ(log, (Log{"a", "b"}));
}

TEST(Defers, an_exception_from_one_goes_on_after_the_others) {
  Log log;
  EXPECT_THROW(
      {
        Defers defers;
        defers([&] { log.push_back("first"); });
        defers([] { throw std::runtime_error("second"); });
      },
      std::runtime_error);
  EXPECT_EQ(log, (Log{"first"}));
}

// ---- recovering ----------------------------------------------------------------------------------------

TEST(Recovering, returns_what_the_function_returns) {
  EXPECT_EQ(recovering([] { return 42; }), 42);
  const std::string text = recovering([] { return std::string("text"); });
  EXPECT_EQ(text, "text");
}

TEST(Recovering, a_recovered_panic_returns_zero_values_and_named_results) {
  std::string error;
  const int result = recovering([&] {
    DEFER {
      if (const Panic p = recover()) error = p.text();
    };
    panic("no such account");
    return 42;
  });
  EXPECT_EQ(result, 0);
  EXPECT_EQ(error, "no such account");
}

TEST(Recovering, what_comes_after_the_panic_does_not_run_and_destructors_do) {
  Log log;
  recovering([&] {
    DEFER {
      log.push_back("outer");
      recover();
    };
    const Noisy noisy{log, "noisy"};
    DEFER { log.push_back("inner"); };
    panic("x");
    log.push_back("not here");
  });
  EXPECT_EQ(log, (Log{"inner", "~noisy", "outer"}));
}

TEST(Recovering, a_second_recover_of_the_same_panic_is_false) {
  Log log;
  recovering([&] {
    DEFER { log.push_back(recover() ? "again" : "nothing"); };
    DEFER {
      log.push_back(recover() ? "recovered" : "nothing");
      log.push_back(recover() ? "again" : "nothing");
    };
    panic("x");
  });
  EXPECT_EQ(log, (Log{"recovered", "nothing", "nothing"}));
}

TEST(Recovering, a_panic_that_nobody_recovers_here_goes_on_to_the_next) {
  Log log;
  recovering([&] {
    DEFER { log.push_back(recover().text()); };
    recovering([&] {
      DEFER { log.push_back("does not recover"); };
      panic("passes");
    });
    log.push_back("not here");
  });
  EXPECT_EQ(log, (Log{"does not recover", "passes"}));
}

TEST(Recovering, in_a_helper_that_is_handed_the_right_to_recover) {
  std::string text;
  const auto helper = [&](Recover right) { text = right().text(); };
  recovering([&] {
    DEFER { helper(recover); };
    panic("by hand");
  });
  EXPECT_EQ(text, "by hand");
}

// ---- what a panic carries ------------------------------------------------------------------------------

template <class T>
Panic panic_of(T value) {
  Panic caught;
  recovering([&] {
    DEFER { caught = recover(); };
    panic(value);
  });
  return caught;
}

struct Custom {
  int code;
};
struct WithMessage {
  std::string message() const { return "speaks for itself"; }
};

TEST(Panic, carries_its_value_and_a_text) {
  EXPECT_EQ(*panic_of("text").as<std::string>(), "text");
  EXPECT_EQ(panic_of(std::string("text")).text(), "text");
  EXPECT_EQ(*panic_of(-7).as<int>(), -7);
  EXPECT_EQ(panic_of(-7).text(), "-7");
  EXPECT_EQ(panic_of(true).text(), "true");
  EXPECT_EQ(panic_of(std::out_of_range("row 7")).text(), "row 7");
  EXPECT_STREQ(panic_of(std::out_of_range("row 7")).as<std::out_of_range>()->what(), "row 7");
  EXPECT_EQ(panic_of(WithMessage{}).text(), "speaks for itself");
  EXPECT_EQ(panic_of(Custom{9}).as<Custom>()->code, 9);
  EXPECT_NE(panic_of(Custom{9}).text().find("Custom)"), std::string::npos);
  EXPECT_EQ(panic_of(1).as<long>(), nullptr);
}

TEST(Panic, of_the_runtime_carries_a_runtime_error) {
  Panic caught;
  recovering([&] {
    DEFER { caught = recover(); };
    const Chan<std::string> ch(1);
    ch.close();
    ch.send("too late");
  });
  ASSERT_TRUE(caught);
  ASSERT_NE(caught.as<RuntimeError>(), nullptr);
  EXPECT_EQ(caught.as<RuntimeError>()->text, "send on closed channel");
}

TEST(Panic, of_the_runtime_leaves_what_it_was_in_usable) {
  const Chan<int> ch(1);
  ch.send(1);
  for (int i = 0; i < 100; ++i) {
    recovering([&] {
      DEFER { EXPECT_TRUE(recover()); };
      WaitGroup wg;
      wg.done();
    });
    recovering([&] {
      DEFER { EXPECT_TRUE(recover()); };
      Chan<int>(nullptr).close();
    });
  }
  EXPECT_EQ(ch.recv(), 1);
}

TEST(Panic, of_a_sender_whose_channel_is_closed_while_it_waits) {
  const Chan<std::string> ch;
  const Chan<std::string> told(1);
  go([=] {
    DEFER { told.send(recover().text()); };
    ch.send("never received");
  });
  yield();
  ch.close();
  EXPECT_EQ(told.recv(), "send on closed channel");
}

TEST(Panic, with_a_recovered_one_keeps_its_value) {
  Panic second;
  recovering([&] {
    DEFER { second = recover(); };
    recovering([] {
      DEFER { panic(recover()); };
      panic(Custom{3});
    });
  });
  EXPECT_EQ(second.as<Custom>()->code, 3);
}

// ---- panics in deferred calls --------------------------------------------------------------------------

TEST(NestedPanic, the_last_one_is_what_is_recovered) {
  Log log;
  recovering([&] {
    DEFER { log.push_back(recover().text()); };
    DEFER { log.push_back("between"); };
    DEFER { panic("second"); };
    panic("first");
  });
  EXPECT_EQ(log, (Log{"between", "second"}));
}

TEST(NestedPanic, within_a_deferred_call_that_recovers_its_own_leaves_the_outer_one) {
  Log log;
  const auto careful = [&] {
    recovering([&] {
      DEFER { log.push_back(recover().text()); };
      panic("inner");
    });
  };
  recovering([&] {
    DEFER { log.push_back(recover().text()); };
    DEFER { careful(); };
    panic("outer");
  });
  EXPECT_EQ(log, (Log{"inner", "outer"}));
}

TEST(NestedPanic, a_deferred_call_at_its_own_normal_end_cannot_recover_the_outer_one) {
  Log log;
  const auto unrelated = [&] {
    DEFER { log.push_back(recover() ? "stolen" : "nothing"); };
  };
  recovering([&] {
    DEFER { log.push_back(recover().text()); };
    DEFER { unrelated(); };
    panic("outer");
  });
  EXPECT_EQ(log, (Log{"nothing", "outer"}));
}

TEST(NestedPanic, after_a_recovery_is_a_panic_of_its_own) {
  Log log;
  recovering([&] {
    DEFER { log.push_back(recover().text()); };
    recovering([&] {
      DEFER { panic("later"); };
      DEFER { log.push_back(recover().text()); };
      panic("earlier");
    });
    log.push_back("not here");
  });
  EXPECT_EQ(log, (Log{"earlier", "later"}));
}

TEST(NestedPanic, in_a_deferred_call_at_the_normal_end_of_a_scope) {
  Log log;
  recovering([&] {
    DEFER { log.push_back(recover().text()); };
    const Noisy noisy{log, "noisy"};
    {
      DEFER { panic("at the end"); };
    }
    log.push_back("not here");
  });
  EXPECT_EQ(log, (Log{"~noisy", "at the end"}));
}

TEST(NestedPanic, in_one_of_several_defers_lets_the_others_recover) {
  Log log;
  recovering([&] {
    Defers defers;
    defers([&](Recover recover) { log.push_back(recover().text()); });
    defers([&] { log.push_back("between"); });
    defers([] { panic("from the last"); });
  });
  EXPECT_EQ(log, (Log{"between", "from the last"}));
}

TEST(NestedPanic, ten_deep) {
  int depth = 0;
  std::string text;
  recovering([&] {
    DEFER { text = recover().text(); };
    Defers defers;
    for (int i = 0; i < 10; ++i) {
      defers([&, i] {
        ++depth;
        panic(i);
      });
    }
    panic("first");
  });
  EXPECT_EQ(depth, 10);
  EXPECT_EQ(text, "0");
}

// ---- goroutines ----------------------------------------------------------------------------------------

TEST(GoroutinePanic, recovered_in_its_own_function_ends_the_goroutine_only) {
  const Chan<std::string> told(1);
  go([=] {
    DEFER { told.send(recover().text()); };
    panic("on my own");
  });
  EXPECT_EQ(told.recv(), "on my own");
}

TEST(GoroutinePanic, deferred_calls_may_block_and_panics_do_not_mix) {
  constexpr int kGoroutines = 50;
  const Chan<int> pass;
  const Chan<int> told(kGoroutines);
  for (int i = 0; i < kGoroutines; ++i) {
    go([=] {
      DEFER { told.send(*recover().as<int>() == i ? 1 : 0); };
      DEFER {
        pass.send(i);
        yield();
      };
      panic(i);
    });
  }
  int sum = 0, right = 0;
  for (int i = 0; i < kGoroutines; ++i) sum += *pass.recv();
  for (int i = 0; i < kGoroutines; ++i) right += *told.recv();
  EXPECT_EQ(sum, kGoroutines * (kGoroutines - 1) / 2);
  EXPECT_EQ(right, kGoroutines);
}

TEST(GoroutinePanic, on_a_thread_defer_is_a_plain_guard) {
  bool ran = false;
  std::optional<int> value;
  std::thread([&] {
    DEFER { ran = true; };
    value = recovering([] { return 5; });
  }).join();
  EXPECT_TRUE(ran);
  EXPECT_EQ(value, 5);
}

// ---- goexit --------------------------------------------------------------------------------------------

TEST(Goexit, runs_deferred_calls_and_recover_is_false) {
  const Chan<std::string> told(4);
  go([=] {
    DEFER {
      told.send("first");
      told.close();
    };
    recovering([=] {
      DEFER { told.send(recover() ? "recovered" : "nothing"); };
      goexit();
    });
    told.send("not here");
  });
  Log log;
  for (const std::string& text : told) log.push_back(text);
  EXPECT_EQ(log, (Log{"nothing", "first"}));
}

TEST(Goexit, in_a_deferred_call_ends_the_goroutine_and_its_panic) {
  const Chan<std::string> told(4);
  go([=] {
    DEFER {
      told.send(recover() ? "recovered" : "nothing");
      told.close();
    };
    recovering([=] {
      DEFER { goexit(); };
      panic("ended by goexit");
    });
    told.send("not here");
  });
  Log log;
  for (const std::string& text : told) log.push_back(text);
  EXPECT_EQ(log, (Log{"nothing"}));
}

TEST(Goexit, a_panic_in_a_deferred_call_of_it_is_recovered_and_goexit_goes_on) {
  const Chan<std::string> told(4);
  go([=] {
    DEFER { told.close(); };
    recovering([=] {
      DEFER { told.send(recover().text()); };
      DEFER { panic("while exiting"); };
      goexit();
    });
    told.send("not here");
  });
  Log log;
  for (const std::string& text : told) log.push_back(text);
  EXPECT_EQ(log, (Log{"while exiting"}));
}

TEST(Goexit, twice) {
  const Chan<std::string> told(4);
  go([=] {
    DEFER { told.close(); };
    Defers defers;
    defers([=] { told.send("third"); });
    defers([] { goexit(); });
    DEFER { goexit(); };
    goexit();
  });
  Log log;
  for (const std::string& text : told) log.push_back(text);
  EXPECT_EQ(log, (Log{"third"}));
}

}  // namespace
}  // namespace reprise
