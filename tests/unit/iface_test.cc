// Any, Iface, type switches: what they hold, what they refuse, and with which words.
#include <reprise/iface.h>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <reprise/defer.h>
#include <reprise/go.h>
#include <reprise/map.h>
#include <reprise/sync.h>
#include <reprise/type_switch.h>

#include <array>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/procs.h"
#include "tests/unit/iface_shapes.h"

namespace reprise {
namespace {

template <class F>
std::string panic_of(F f) {
  std::string text = "no panic";
  recovering([&] {
    DEFER { text = recover().text(); };
    f();
    text = "no panic";
  });
  return text;
}

struct Deaf {
  int x = 0;
};
struct Stranger {  // a method of the right name with another signature
  int area() const { return 3; }
};
REPRISE_METHODS(Stranger, area)

// ---- descriptors ---------------------------------------------------------------------------------------

TEST(TypeOf, knows_size_kind_comparability_and_methods) {
  EXPECT_EQ(rt::type_of<int>()->size, 4u);
  EXPECT_EQ(rt::type_of<int>()->kind(), rt::Kind::int32);
  EXPECT_EQ(rt::type_of<uint64_t>()->kind(), rt::Kind::uint64);
  EXPECT_EQ(rt::type_of<std::string>()->kind(), rt::Kind::cpp);
  EXPECT_TRUE(rt::type_of<Square*>()->direct());
  EXPECT_EQ(rt::type_name(rt::type_of<std::string>()), "std::string");
  EXPECT_NE(rt::type_of<std::vector<int>>()->equal, nullptr);
  EXPECT_EQ(rt::type_of<std::vector<Deaf>>()->equal, nullptr);
  EXPECT_EQ((rt::type_of<std::map<int, Deaf>>()->equal), nullptr);
  EXPECT_EQ((rt::type_of<std::pair<int, Deaf>>()->equal), nullptr);
  EXPECT_EQ(rt::type_of<Deaf>()->uncommon, nullptr);
  const auto& of_pointer = rt::type_of<Square*>()->uncommon->methods;
  ASSERT_EQ(of_pointer.len, 3);
  EXPECT_EQ(of_pointer.data[0].name->view(), "area");
  EXPECT_EQ(of_pointer.data[1].name->view(), "corners");
  EXPECT_EQ(of_pointer.data[2].name->view(), "grow");
  EXPECT_EQ(rt::type_of<Square>()->uncommon->methods.len, 2);  // grow is not const
}

TEST(TypeOf, pointer_words_are_conservative_until_somebody_says_more) {
  EXPECT_EQ(rt::type_of<int64_t>()->ptrdata, 0u);
  EXPECT_EQ(rt::type_of<double>()->ptrdata, 0u);
  EXPECT_EQ(rt::type_of<int*>()->ptrdata, 8u);
  EXPECT_NE(rt::type_of<int*>()->tflag & rt::kTflagConservative, 0);
}

// ---- Any -----------------------------------------------------------------------------------------------

TEST(Any, holds_a_value_and_gives_it_back_as_its_own_type_only) {
  const Any any = 42;
  EXPECT_TRUE(any.is<int>());
  EXPECT_FALSE(any.is<long>());
  EXPECT_EQ(any.to<int>(), 42);
  EXPECT_EQ(any.as<unsigned>(), nullptr);
  EXPECT_EQ(*any.as<int>(), 42);
  EXPECT_EQ(any.type_name(), "int");
  EXPECT_EQ(Any("text").to<std::string>(), "text");
  EXPECT_EQ(Any(-1).to<int>(), -1);
  EXPECT_EQ(Any(1'000'000).to<int>(), 1'000'000);
  EXPECT_TRUE(Any(true).to<bool>());
}

TEST(Any, nil_is_not_an_interface_that_holds_nil) {
  const Any nil;
  const Any holds_nil = static_cast<int*>(nullptr);
  EXPECT_FALSE(nil);
  EXPECT_TRUE(holds_nil);
  EXPECT_FALSE(nil == holds_nil);
  EXPECT_EQ(holds_nil.to<int*>(), nullptr);
  EXPECT_TRUE(nil == nullptr);
  EXPECT_FALSE(holds_nil == nullptr);
  EXPECT_FALSE(holds_nil == Any(static_cast<long*>(nullptr)));
}

TEST(Any, copies_share_one_box_that_the_last_destroys) {
  const auto token = std::make_shared<int>(7);
  {
    Any a = token;
    EXPECT_EQ(token.use_count(), 2);
    const Any b = a, c = b;
    EXPECT_EQ(token.use_count(), 2);
    a = nullptr;
    EXPECT_EQ(token.use_count(), 2);
    EXPECT_EQ(*c.to<std::shared_ptr<int>>(), 7);
    const Any d = std::move(a);
    EXPECT_FALSE(d);
  }
  EXPECT_EQ(token.use_count(), 1);
}

struct alignas(128) Wide {
  char bytes[128] = {};
  friend bool operator==(const Wide&, const Wide&) = default;
};
TEST(Any, boxes_are_aligned_as_their_values) {
  for (int i = 0; i < 10; ++i) {
    const Any any = Wide();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(any.as<Wide>()) % 128, 0u);
  }
}

struct Thrower {
  Thrower() = default;
  Thrower(Thrower&&) { throw std::runtime_error("not moved"); }
};
TEST(Any, value_that_cannot_be_moved_in_leaves_nothing_behind) {
  EXPECT_THROW((void)Any{Thrower()}, std::runtime_error);
}

TEST(Any, equality_is_of_type_and_value) {
  EXPECT_TRUE(Any(1) == Any(1));
  EXPECT_FALSE(Any(1) == Any(1L));
  EXPECT_TRUE(Any(std::string("a")) == Any("a"));
  EXPECT_FALSE(Any(1) == Any(2));
  Square a, b;
  EXPECT_TRUE(Any(&a) == Any(&a));
  EXPECT_FALSE(Any(&a) == Any(&b));
}

TEST(Any, comparing_what_cannot_be_compared_panics) {
  const std::string name(rt::type_name(rt::type_of<Deaf>()));
  EXPECT_EQ(panic_of([] { (void)(Any(Deaf()) == Any(Deaf())); }), "runtime error: comparing uncomparable type " + name);
  EXPECT_FALSE(Any(Deaf()) == Any(1));  // other types differ before that is asked
  EXPECT_FALSE(Any(Deaf()) == Any());
}

TEST(Any, failed_assertions_panic_in_the_references_words) {
  EXPECT_EQ(panic_of([] { Any("x").to<int>(); }), "interface conversion: interface {} is std::string, not int");
  EXPECT_EQ(panic_of([] { Any().to<int>(); }), "interface conversion: interface {} is nil, not int");
  EXPECT_EQ(panic_of([] { Any().to<Shape>(); }), "interface conversion: interface is nil, not reprise::Shape");
  EXPECT_EQ(panic_of([] { Any(5).to<Shape>(); }),
            "interface conversion: int is not reprise::Shape: missing method area");
  EXPECT_EQ(panic_of([] { Any(Square{1}).to<Growing>(); }),
            "interface conversion: reprise::Square is not reprise::Growing: missing method grow");
  const Iface<Shape> shape = Square{1};
  EXPECT_EQ(panic_of([&] { shape.to<int>(); }), "interface conversion: reprise::Shape is reprise::Square, not int");
}

TEST(Any, types_of_one_name_in_unnamed_namespaces_of_two_files_differ) {
  const Any other = hidden_of_another_file();
  EXPECT_EQ(other.type_name(), Any(Hidden()).type_name());
  EXPECT_FALSE(other.is<Hidden>());
  const std::string name(other.type_name());
  EXPECT_EQ(panic_of([&] { other.to<Hidden>(); }), "interface conversion: interface {} is " + name + ", not " + name +
                                                       " (types from different scopes)");
}

TEST(Any, is_a_key_of_maps) {
  Map<Any, int> map;
  Square square;
  map[1] = 1;
  map[1L] = 2;
  map["one"] = 3;
  map[&square] = 4;
  map[nullptr] = 5;
  map[std::pair(1, std::string("x"))] = 6;
  EXPECT_EQ(map.len(), 6u);
  EXPECT_EQ(map[1], 1);
  EXPECT_EQ(map[1L], 2);
  EXPECT_EQ(map["one"], 3);
  EXPECT_EQ(map[&square], 4);
  EXPECT_EQ(map[Any()], 5);
  EXPECT_EQ((map[std::pair(1, std::string("x"))]), 6);
  const std::string name(rt::type_name(rt::type_of<Deaf>()));
  EXPECT_EQ(panic_of([&] { map[Deaf()] = 1; }), "runtime error: hash of unhashable type " + name);
  EXPECT_EQ(panic_of([&] { (void)map.find(Deaf()); }), "runtime error: hash of unhashable type " + name);
  EXPECT_EQ(map.len(), 6u);
}

TEST(Any, a_nan_in_it_equals_nothing) {
  Map<Any, int> map;
  const double nan = __builtin_nan("");
  for (int i = 0; i < 100; ++i) map[nan] = i;
  EXPECT_EQ(map.len(), 100u);
  EXPECT_EQ(map.find(nan), nullptr);
}

// ---- Iface ---------------------------------------------------------------------------------------------

TEST(Iface, calls_reach_the_value_or_what_the_pointer_points_to) {
  Square square{2};
  Iface<Shape> by_value = square;
  const Iface<Growing> by_pointer = &square;
  by_pointer.grow(3);
  EXPECT_EQ(square.side, 6);
  EXPECT_EQ(by_value.area(), 4);
  EXPECT_EQ(by_pointer.area(), 36);
  by_value = Circle{1};
  EXPECT_EQ(by_value.corners(), 0);
  const auto shared = std::make_shared<Square>(Square{5});
  const Iface<Growing> by_shared = shared;
  by_shared.grow(2);
  EXPECT_EQ(shared->side, 10);
}

TEST(Iface, nil_and_pointers_that_are_null_panic_when_called) {
  const char* const text = "runtime error: invalid memory address or nil pointer dereference";
  const Iface<Shape> nil;
  const Iface<Shape> holds_nil = static_cast<Square*>(nullptr);
  EXPECT_FALSE(nil);
  EXPECT_TRUE(holds_nil);
  EXPECT_EQ(panic_of([&] { nil.area(); }), text);
  EXPECT_EQ(panic_of([&] { holds_nil.area(); }), text);
  EXPECT_FALSE(nil == holds_nil);
  EXPECT_TRUE(nil == Iface<Shape>());
}

TEST(Iface, method_sets_are_the_references) {
  static_assert(detail::implements<Square*, Growing>() && detail::implements<Square, Shape>());
  static_assert(!detail::implements<Square, Growing>());         // grow needs a pointer
  static_assert(!detail::implements<const Square*, Growing>());
  static_assert(!detail::implements<Stranger, Shape>());         // another signature
  EXPECT_FALSE(Any(Square{1}).is<Growing>());
  Square square;
  EXPECT_TRUE(Any(&square).is<Growing>());
  EXPECT_FALSE(Any(Stranger()).is<Shape>());
  EXPECT_FALSE(Any(Deaf()).is<Shape>());
}

TEST(Iface, converts_to_wider_and_narrower_interfaces) {
  Square square{3};
  const Iface<Growing> growing = &square;
  const Iface<Shape> shape = growing;
  EXPECT_EQ(shape.area(), 9);
  EXPECT_EQ(shape.to<Growing>().area(), 9);
  EXPECT_FALSE(Iface<Shape>(Circle{1}).as<Growing>());
  EXPECT_EQ(Any(shape).to<Square*>(), &square);
  EXPECT_EQ(Any(shape), Any(&square));
  const Iface<Shape> nil = Iface<Growing>();
  EXPECT_FALSE(nil);
  EXPECT_FALSE(Any(nil));
}

TEST(Iface, equality_is_of_what_is_held_whatever_made_the_itab) {
  const Iface<Shape> by_compiler = Square{2};
  const Iface<Shape> by_table = Any(Square{2}).to<Shape>();
  EXPECT_TRUE(by_compiler == by_table);
  EXPECT_FALSE(by_compiler == Iface<Shape>(Square{3}));
  Map<Iface<Shape>, int> map;
  map[by_compiler] = 1;
  EXPECT_EQ(map[by_table], 1);
}

TEST(Iface, arguments_and_results_pass_as_they_are) {
  Mixer mixer;
  const Iface<Mixing> mixing = &mixer;
  auto owned = std::make_unique<int>(4);
  EXPECT_EQ(*mixing.move(std::move(owned)), 5);
  std::string text = "a";
  mixing.append(text, "b");
  EXPECT_EQ(text, "ab");
  EXPECT_EQ(&mixing.same(text), &text);
  EXPECT_EQ(panic_of([&] { mixing.fail(); }), "mixer");
}

TEST(Itab, a_pair_is_built_once_also_if_methods_are_missing) {
  Square square;
  (void)Any(&square).is<Mixing>();
  (void)Any(&square).is<Growing>();
  const size_t before = rt::itabs_for_test();
  for (int i = 0; i < 100; ++i) {
    (void)Any(&square).is<Mixing>();
    (void)Any(&square).as<Growing>();
    EXPECT_EQ(rt::getitab(detail::interface_type<Mixing>(), rt::type_of<Square*>()), nullptr);
  }
  EXPECT_EQ(rt::itabs_for_test(), before);
}

// Types enough to make the table of 512 grow, by goroutines on several Ps.
template <int N>
struct Numbered {
  double area() const { return N; }
  int corners() const { return -N; }
};
template <int N>
struct NumberedMethods {
  REPRISE_METHOD_TAG(area)
  REPRISE_METHOD_TAG(corners)
  using List = detail::Sorted<area_method, corners_method>::List;
};
template <int N>
NumberedMethods<N> reprise_methods_of(const Numbered<N>*);

using Check = bool (*)();
template <int N>
bool numbered_is_right() {
  const rt::Itab* const tab = rt::getitab(detail::interface_type<Shape>(), rt::type_of<Numbered<N>>());
  if (tab == nullptr || tab != rt::getitab(detail::interface_type<Shape>(), rt::type_of<Numbered<N>>())) return false;
  const Any any = Numbered<N>();
  return any.to<Shape>().area() == N && any.to<Shape>().corners() == -N &&
         rt::getitab(detail::interface_type<Mixing>(), rt::type_of<Numbered<N>>()) == nullptr;
}
template <int... N>
constexpr std::array<Check, sizeof...(N)> checks(std::integer_sequence<int, N...>) {
  return {numbered_is_right<N>...};
}
constexpr auto kChecks = checks(std::make_integer_sequence<int, 600>());

class ItabProcs : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, ItabProcs, testing::Values(1, 4));

TEST_P(ItabProcs, goroutines_that_ask_at_the_same_time_get_the_same_itabs_while_the_table_grows) {
  const test::Procs procs(GetParam());
  WaitGroup all;
  std::atomic<int> wrong{0};
  for (int g = 0; g < 8; ++g) {
    all.add(1);
    go([=, &wrong]() mutable {
      for (size_t i = 0; i < kChecks.size(); ++i) {
        if (!kChecks[(i * (g % 2 == 0 ? 1 : 7)) % kChecks.size()]()) ++wrong;
        if (i % 64 == 0) yield();
      }
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(rt::itabs_for_test(), 2 * kChecks.size());
}

// ---- type switches -------------------------------------------------------------------------------------

std::string kind(const Any& any) {
  return type_switch(
      any, when<int>([](int i) { return "int " + std::to_string(i); }),
      when<std::string>([](const std::string& s) { return "text " + s; }),
      when<Circle>([](const Circle&) { return std::string("circle"); }),
      when<Shape>([](const Iface<Shape>& s) { return "shape " + std::to_string(s.corners()); }),
      when<Square>([](const Square&) { return std::string("never: it is a Shape before"); }),
      when<double>([](double) { return std::string("double"); }), when_nil([] { return std::string("nil"); }),
      when_other([](const Any& other) { return "other " + std::string(other.type_name()); }));
}

TEST(TypeSwitch, takes_the_first_case_that_fits) {
  EXPECT_EQ(kind(3), "int 3");
  EXPECT_EQ(kind("x"), "text x");
  EXPECT_EQ(kind(Circle{1}), "circle");
  EXPECT_EQ(kind(Square{1}), "shape 4");
  EXPECT_EQ(kind(1.5), "double");
  EXPECT_EQ(kind(nullptr), "nil");
  EXPECT_EQ(kind(3L), "other " + std::string(Any(3L).type_name()));
}

TEST(TypeSwitch, without_a_case_that_fits_nothing_happens) {
  int ran = 0;
  type_switch(Any(1.0), when<int>([&](int) { ++ran; }), when_nil([&] { ++ran; }));
  EXPECT_EQ(ran, 0);
  const Iface<Shape> shape = Circle{2};
  type_switch(shape, when<Square>([&](const Square&) { ran += 10; }), when<Circle>([&](const Circle&) { ++ran; }));
  EXPECT_EQ(ran, 1);
}

// ---- libraries -----------------------------------------------------------------------------------------

// The library is built with hidden symbols, so it has descriptors of its own for every type.
TEST(Dlopen, types_of_a_library_are_those_of_the_program) {
  void* const library = dlopen(REPRISE_IFACE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto* const exports = static_cast<const LibraryExports*>(dlsym(library, "library_exports"));
  ASSERT_NE(exports, nullptr);
  EXPECT_NE(exports->type_of_square, rt::type_of<Square>());
  EXPECT_TRUE(rt::same_type(exports->type_of_square, rt::type_of<Square>()));
  const Any from_library = exports->make_square(3);
  EXPECT_TRUE(from_library.is<Square>());
  EXPECT_EQ(from_library.to<Square>().side, 3);
  EXPECT_EQ(from_library, Any(Square{3}));
  EXPECT_EQ(from_library.to<Shape>().area(), 9);
  EXPECT_EQ(kind(from_library), "shape 4");
  EXPECT_EQ(exports->area_of(Any(Square{4})), 16);
  EXPECT_FALSE(exports->is_hidden(Any(Hidden())));
  Map<Any, int> map;
  map[from_library] = 1;
  EXPECT_EQ(map[Square{3}], 1);
}

}  // namespace
}  // namespace reprise
