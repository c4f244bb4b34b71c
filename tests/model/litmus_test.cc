// The explorer's memory against the classic litmus tests: what C++20 allows is found, what it forbids
// never. And its reduction against plain enumeration: the same outcomes, in fewer executions.
//
// Names and verdicts after Alglave, Maranget, Tautschnig: Herding Cats (TOPLAS 2014), and the
// examples of [atomics.order]. LB is allowed by the standard and forbidden here, as in RC11.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/model/outcomes.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

constexpr Order rlx = Order::relaxed;
constexpr Order acq = Order::acquire;
constexpr Order rel = Order::release;
constexpr Order sc = Order::seq_cst;

struct Shared {
  Atomic<int> x, y, z;
  std::array<int, 8> r{};
};

using Body = std::function<void(Shared&)>;

Outcomes outcomes_of(std::vector<Body> bodies, int registers, Options options = {}) {
  Outcomes outcomes;
  const Result result = explore(options, [&](Scene& scene) {
    auto* s = scene.make<Shared>();
    for (const Body& body : bodies) scene.thread([s, &body] { body(*s); });
    scene.finally([s, &outcomes, registers] { outcomes.insert(text_of(s->r, registers)); });
  });
  EXPECT_FALSE(result.failed) << result.failure << "\n" << result.trace;
  EXPECT_TRUE(result.complete);
  return outcomes;
}

Outcomes store_buffering(Order store, Order load, bool fences) {
  return outcomes_of({[=](Shared& s) {
                        s.x.store(1, store);
                        if (fences) fence(sc);
                        s.r[0] = s.y.load(load);
                      },
                      [=](Shared& s) {
                        s.y.store(1, store);
                        if (fences) fence(sc);
                        s.r[1] = s.x.load(load);
                      }},
                     2);
}

TEST(Litmus, store_buffering_needs_sequential_consistency) {
  EXPECT_THAT(store_buffering(rlx, rlx, false), ElementsAre("0 0", "0 1", "1 0", "1 1"));
  EXPECT_THAT(store_buffering(rel, acq, false), Contains("0 0"));
  EXPECT_THAT(store_buffering(sc, acq, false), Contains("0 0"));
  EXPECT_THAT(store_buffering(sc, sc, false), ElementsAre("0 1", "1 0", "1 1"));
  EXPECT_THAT(store_buffering(rlx, rlx, true), ElementsAre("0 1", "1 0", "1 1"));
}

Outcomes message_passing(Order store, Order load) {
  return outcomes_of({[=](Shared& s) {
                        s.x.store(1, rlx);
                        s.y.store(1, store);
                      },
                      [=](Shared& s) {
                        s.r[0] = s.y.load(load);
                        s.r[1] = s.x.load(rlx);
                      }},
                     2);
}

TEST(Litmus, message_passing_needs_release_and_acquire) {
  EXPECT_THAT(message_passing(rlx, rlx), Contains("1 0"));
  EXPECT_THAT(message_passing(rel, rlx), Contains("1 0"));
  EXPECT_THAT(message_passing(rlx, acq), Contains("1 0"));
  EXPECT_THAT(message_passing(rel, acq), ElementsAre("0 0", "0 1", "1 1"));
  EXPECT_THAT(message_passing(sc, sc), ElementsAre("0 0", "0 1", "1 1"));
}

TEST(Litmus, message_passing_works_with_fences) {
  const auto outcomes = [](bool release, bool acquire) {
    return outcomes_of({[=](Shared& s) {
                          s.x.store(1, rlx);
                          if (release) fence(rel);
                          s.y.store(1, rlx);
                        },
                        [=](Shared& s) {
                          s.r[0] = s.y.load(rlx);
                          if (acquire) fence(acq);
                          s.r[1] = s.x.load(rlx);
                        }},
                       2);
  };
  EXPECT_THAT(outcomes(true, true), Not(Contains("1 0")));
  EXPECT_THAT(outcomes(true, false), Contains("1 0"));
  EXPECT_THAT(outcomes(false, true), Contains("1 0"));
}

TEST(Litmus, load_buffering_is_not_modelled) {
  const auto outcomes = outcomes_of({[](Shared& s) {
                                       s.r[0] = s.x.load(rlx);
                                       s.y.store(1, rlx);
                                     },
                                     [](Shared& s) {
                                       s.r[1] = s.y.load(rlx);
                                       s.x.store(1, rlx);
                                     }},
                                    2);
  EXPECT_THAT(outcomes, ElementsAre("0 0", "0 1", "1 0"));
}

Outcomes independent_reads(Order store, Order load) {
  return outcomes_of({[=](Shared& s) { s.x.store(1, store); },
                      [=](Shared& s) { s.y.store(1, store); },
                      [=](Shared& s) {
                        s.r[0] = s.x.load(load);
                        s.r[1] = s.y.load(load);
                      },
                      [=](Shared& s) {
                        s.r[2] = s.y.load(load);
                        s.r[3] = s.x.load(load);
                      }},
                     4);
}

TEST(Litmus, independent_reads_of_independent_writes_agree_only_if_sequential) {
  EXPECT_THAT(independent_reads(rlx, rlx), Contains("1 0 1 0"));
  EXPECT_THAT(independent_reads(rel, acq), Contains("1 0 1 0"));
  const Outcomes sequential_outcomes = independent_reads(sc, sc);
  EXPECT_THAT(sequential_outcomes, Not(Contains("1 0 1 0")));
  EXPECT_EQ(sequential_outcomes.size(), 15u);
}

// x and y at the end of 2+2W.
Outcomes final_values(Order order) {
  Outcomes outcomes;
  const Result result = explore({}, [&](Scene& scene) {
    auto* s = scene.make<Shared>();
    scene.thread([=] {
      s->x.store(1, order);
      s->y.store(2, order);
    });
    scene.thread([=] {
      s->y.store(1, order);
      s->x.store(2, order);
    });
    scene.finally([s, &outcomes] {
      outcomes.insert(std::to_string(s->x.load()) + " " + std::to_string(s->y.load()));
    });
  });
  EXPECT_TRUE(result.complete);
  return outcomes;
}

TEST(Litmus, two_plus_two_writes_may_end_with_both_first_ones_unless_sequential) {
  EXPECT_THAT(final_values(rlx), ElementsAre("1 1", "1 2", "2 1", "2 2"));
  EXPECT_THAT(final_values(rel), Contains("1 1"));
  EXPECT_THAT(final_values(sc), ElementsAre("1 2", "2 1", "2 2"));
}

TEST(Litmus, reads_of_one_location_agree_with_its_order) {
  const auto outcomes = outcomes_of({[](Shared& s) { s.x.store(1, rlx); },
                                     [](Shared& s) { s.x.store(2, rlx); },
                                     [](Shared& s) {
                                       s.r[0] = s.x.load(rlx);
                                       s.r[1] = s.x.load(rlx);
                                     },
                                     [](Shared& s) {
                                       s.r[2] = s.x.load(rlx);
                                       s.r[3] = s.x.load(rlx);
                                     }},
                                    4);
  EXPECT_THAT(outcomes, Contains("1 2 1 2"));
  EXPECT_THAT(outcomes, Contains("2 1 2 1"));
  EXPECT_THAT(outcomes, Not(Contains("1 2 2 1")));
  EXPECT_THAT(outcomes, Not(Contains("1 0 0 0")));
  EXPECT_THAT(outcomes, Not(Contains("2 1 1 2")));
}

TEST(Litmus, a_thread_reads_its_own_write_or_a_later_one) {
  const auto outcomes = outcomes_of({[](Shared& s) {
                                       s.x.store(1, rlx);
                                       s.r[0] = s.x.load(rlx);
                                     },
                                     [](Shared& s) { s.x.store(2, rlx); }},
                                    1);
  EXPECT_THAT(outcomes, ElementsAre("1", "2"));
}

TEST(Litmus, a_write_does_not_go_before_what_its_thread_has_read) {
  // CoRW: r0 = x; x = 1 with another's x = 2: reading 2 puts 1 after it.
  Outcomes outcomes;
  const Result result = explore({}, [&](Scene& scene) {
    auto* s = scene.make<Shared>();
    scene.thread([=] {
      s->r[0] = s->x.load(rlx);
      s->x.store(1, rlx);
    });
    scene.thread([=] { s->x.store(2, rlx); });
    scene.finally([s, &outcomes] {
      outcomes.insert(std::to_string(s->r[0]) + " " + std::to_string(s->x.load()));
    });
  });
  EXPECT_TRUE(result.complete);
  EXPECT_THAT(outcomes, ElementsAre("0 1", "0 2", "2 1"));
}

TEST(Litmus, a_release_sequence_goes_through_read_modify_writes) {
  const auto outcomes = [](bool rmw) {
    return outcomes_of({[](Shared& s) {
                          s.x.store(1, rlx);
                          s.y.store(1, rel);
                        },
                        [=](Shared& s) {
                          if (rmw) {
                            s.y.fetch_add(1, rlx);
                          } else if (s.y.load(rlx) == 1) {
                            s.y.store(2, rlx);
                          }
                        },
                        [](Shared& s) {
                          s.r[0] = s.y.load(acq);
                          s.r[1] = s.x.load(rlx);
                        }},
                       2);
  };
  EXPECT_THAT(outcomes(true), Not(Contains("2 0")));
  EXPECT_THAT(outcomes(true), Contains("2 1"));
  EXPECT_THAT(outcomes(false), Contains("2 0"));
}

TEST(Litmus, a_later_store_of_the_same_thread_does_not_continue_a_release_sequence) {
  // C++20; C++11 had it.
  const auto outcomes = outcomes_of({[](Shared& s) {
                                       s.x.store(1, rlx);
                                       s.y.store(1, rel);
                                       s.y.store(2, rlx);
                                     },
                                     [](Shared& s) {
                                       s.r[0] = s.y.load(acq);
                                       s.r[1] = s.x.load(rlx);
                                     }},
                                    2);
  EXPECT_THAT(outcomes, Contains("2 0"));
  EXPECT_THAT(outcomes, Not(Contains("1 0")));
}

TEST(Litmus, read_modify_writes_lose_nothing) {
  Outcomes outcomes;
  const Result result = explore({}, [&](Scene& scene) {
    auto* s = scene.make<Shared>();
    for (int i = 0; i < 3; ++i) {
      scene.thread([=] { s->r[i] = s->x.fetch_add(1, rlx); });
    }
    scene.finally([s, &outcomes] {
      check(s->x.load() == 3, "an increment was lost");
      outcomes.insert(text_of(s->r, 3));
    });
  });
  EXPECT_TRUE(result.complete);
  EXPECT_FALSE(result.failed);
  EXPECT_EQ(outcomes.size(), 6u);
}

TEST(Litmus, an_exchange_may_go_before_a_store_that_is_there) {
  // The store's place in the order is not its moment: 0, 1 (by the exchange), 5.
  Outcomes outcomes;
  const Result result = explore({}, [&](Scene& scene) {
    auto* s = scene.make<Shared>();
    scene.thread([=] { s->x.store(5, rlx); });
    scene.thread([=] { s->r[0] = s->x.fetch_add(1, rlx); });
    scene.finally([s, &outcomes] {
      outcomes.insert(std::to_string(s->r[0]) + " " + std::to_string(s->x.load()));
    });
  });
  EXPECT_TRUE(result.complete);
  EXPECT_THAT(outcomes, ElementsAre("0 5", "5 6"));
}

TEST(Litmus, a_strong_exchange_does_not_fail_on_what_it_expects) {
  const auto outcomes = outcomes_of({[](Shared& s) {
                                       int expected = 0;
                                       s.r[0] = s.x.compare_exchange_strong(expected, 1, rlx, rlx);
                                     },
                                     [](Shared& s) {
                                       int expected = 0;
                                       s.r[1] = s.x.compare_exchange_strong(expected, 2, rlx, rlx);
                                     }},
                                    2);
  EXPECT_THAT(outcomes, ElementsAre("0 1", "1 0"));
}

TEST(Litmus, a_weak_exchange_may_fail_idly) {
  Options options;
  options.spurious = 1;
  const auto outcomes = outcomes_of({[](Shared& s) {
                                      int expected = 0;
                                      s.r[0] = s.x.compare_exchange_weak(expected, 1, rlx, rlx);
                                    }},
                                    1, options);
  EXPECT_THAT(outcomes, ElementsAre("0", "1"));
}

TEST(Litmus, fences_and_sequential_accesses_order_each_other) {
  // [atomics.order] 4.2 to 4.4: one side a fence, the other a sequential access.
  const auto outcomes = outcomes_of({[](Shared& s) {
                                       s.x.store(1, rlx);
                                       fence(sc);
                                       s.r[0] = s.y.load(rlx);
                                     },
                                     [](Shared& s) {
                                       s.y.store(1, sc);
                                       s.r[1] = s.x.load(sc);
                                     }},
                                    2);
  EXPECT_THAT(outcomes, Not(Contains("0 0")));
  EXPECT_THAT(outcomes, Contains("1 1"));
}

TEST(Litmus, causality_is_transitive_with_release_and_acquire) {
  // ISA2 / WRC.
  const auto outcomes = [](Order store, Order load) {
    return outcomes_of({[=](Shared& s) { s.x.store(1, store); },
                        [=](Shared& s) {
                          s.r[0] = s.x.load(load);
                          s.y.store(1, store);
                        },
                        [=](Shared& s) {
                          s.r[1] = s.y.load(load);
                          s.r[2] = s.x.load(load);
                        }},
                       3);
  };
  EXPECT_THAT(outcomes(rel, acq), Not(Contains("1 1 0")));
  EXPECT_THAT(outcomes(rlx, rlx), Contains("1 1 0"));
}

// ---- the reduction --------------------------------------------------------------------------------

// A random program: up to three threads of up to three operations on two locations.
struct Instruction {
  int kind;
  int place;
  Order order;
  int value;
};
using Text = std::vector<std::vector<Instruction>>;

Text random_program(uint64_t seed) {
  std::mt19937_64 random(seed);
  Text program(2 + random() % 2);
  int value = 1;
  for (auto& thread : program) {
    thread.resize(1 + random() % (program.size() == 2 ? 4 : 3));
    for (Instruction& i : thread) {
      constexpr Order kLoads[] = {rlx, acq, sc};
      constexpr Order kStores[] = {rlx, rel, sc};
      i = {static_cast<int>(random() % 9), static_cast<int>(random() % 2), rlx, value++};
      i.order = i.kind < 3 ? kLoads[random() % 3] : kStores[random() % 3];
    }
  }
  return program;
}

struct Interpreted {
  Atomic<int> x[2];
  Lock lock;
  std::vector<int> log[3];
};

int run_instruction(Interpreted& s, const Instruction& i) {
  switch (i.kind) {
    case 0:
    case 1:
    case 2: return s.x[i.place].load(i.order);
    case 3:
    case 4: s.x[i.place].store(i.value, i.order); return -1;
    case 5: return s.x[i.place].fetch_add(100, i.order);
    case 6: {
      int expected = 0;
      s.x[i.place].compare_exchange_strong(expected, i.value, i.order, rlx);
      return expected;
    }
    case 7: fence(sc); return -1;
    default: {
      s.lock.lock();
      const int seen = s.x[i.place].load(rlx);
      s.x[i.place].store(seen + 10, rlx);
      s.lock.unlock();
      return seen;
    }
  }
}

Outcomes outcomes_of(const Text& program, Options::Search search, uint64_t* executions) {
  Outcomes outcomes;
  Options options;
  options.search = search;
  options.executions = 50'000;
  const Result result = explore(options, [&](Scene& scene) {
    auto* s = scene.make<Interpreted>();
    for (size_t t = 0; t < program.size(); ++t) {
      scene.thread([s, t, &program] {
        for (const Instruction& i : program[t]) s->log[t].push_back(run_instruction(*s, i));
      });
    }
    scene.finally([s, &outcomes, &program] {
      std::string text;
      for (size_t t = 0; t < program.size(); ++t) {
        for (int value : s->log[t]) text += std::to_string(value) + " ";
      }
      for (auto& x : s->x) text += std::to_string(x.load()) + " ";
      outcomes.insert(text);
    });
  });
  EXPECT_FALSE(result.failed) << result.failure;
  *executions += result.executions + result.redundant;
  if (!result.complete) outcomes.clear();  // too large to enumerate
  return outcomes;
}

// Programs that a reduction lost outcomes of: with p's own step in place of the leaders of dependencies.h,
// and with p as a leader though what it reads was written in between.
TEST(Reduction, keeps_every_outcome_of_programs_that_it_once_did_not) {
  for (const uint64_t seed : {893, 1839}) {
    uint64_t executions = 0;
    const Text program = random_program(seed);
    EXPECT_EQ(outcomes_of(program, Options::Search::exhaustive, &executions),
              outcomes_of(program, Options::Search::unreduced, &executions));
  }
}

TEST(Reduction, keeps_every_outcome_of_random_programs) {
  uint64_t reduced = 0, plain = 0;
  int compared = 0;
  const uint64_t programs = soaking() ? 5000 : 100;
  for (uint64_t seed = 1; seed <= programs; ++seed) {
    const Text program = random_program(seed);
    uint64_t executions = 0;
    const Outcomes all = outcomes_of(program, Options::Search::unreduced, &executions);
    if (all.empty()) continue;
    plain += executions;
    ++compared;
    ASSERT_EQ(outcomes_of(program, Options::Search::exhaustive, &reduced), all) << "seed " << seed;
  }
  std::printf("%d programs: %llu executions reduced, %llu plain\n", compared,
              static_cast<unsigned long long>(reduced), static_cast<unsigned long long>(plain));
  EXPECT_GT(compared, 60);
  EXPECT_LT(reduced * 5, plain);
}

}  // namespace
}  // namespace reprise::model
