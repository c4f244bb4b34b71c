// Go's test/chan/powser1 and powser2: power series as goroutines that compute coefficients on demand,
// after D. McIlroy, "Squinting at Power Series". powser1's channels carry rationals; powser2's carry
// elements of any type, which travel in boxes here.
//
// A series is a pair of channels: who wants the next coefficient sends a request and then receives
// it. Every goroutine waits for `stop` beside whatever else it waits for, and ends when it closes.
#include <any>
#include <array>
#include <deque>
#include <numeric>
#include <vector>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using test::nothing;
using test::rounds;

struct Rational {
  int64_t num = 0;
  int64_t den = 0;  // 0: the series has ended

  Rational() = default;
  Rational(int64_t n) : num(n), den(1) {}
  Rational(int64_t n, int64_t d) {
    const int64_t g = std::gcd(n, d);
    num = (d < 0 ? -n : n) / g;
    den = (d < 0 ? -d : d) / g;
  }
  bool ended() const { return den == 0; }
  bool operator==(const Rational&) const = default;
  friend Rational operator+(Rational a, Rational b) {
    return {a.num * b.den + b.num * a.den, a.den * b.den};
  }
  friend Rational operator*(Rational a, Rational b) { return {a.num * b.num, a.den * b.den}; }
};

template <class Item>
struct Series {
  Chan<Unit> request;
  Chan<Item> data;
};

Rational rational_of(const Rational& item) { return item; }
Rational rational_of(const std::any& item) { return std::any_cast<Rational>(item); }

// Makes series and owns their goroutines.
template <class Item>
class Algebra {
 public:
  using S = Series<Item>;

  Algebra() = default;
  Algebra(const Algebra&) = delete;
  Algebra& operator=(const Algebra&) = delete;
  ~Algebra() {
    stop_.close();
    running_.wait();
  }

  Rational get(const S& in) {
    ask(in);
    return receive(in);
  }
  std::vector<Rational> first(int n, const S& in) {
    std::vector<Rational> terms;
    for (int i = 0; i < n; ++i) terms.push_back(get(in));
    return terms;
  }

  // c c c …
  S repeat(Rational c) {
    return make([=, this](const S& z) {
      for (;;) put(c, z);
    });
  }
  S add(S u, S v) {
    return make([=, this](const S& z) {
      for (;;) {
        await_request(z);
        const auto [a, b] = get_both(u, v);
        if (a.ended() && b.ended()) finish(z);
        send(a.ended() ? b : b.ended() ? a : a + b, z);
        if (a.ended()) copy(v, z);
        if (b.ended()) copy(u, z);
      }
    });
  }
  S scale(Rational c, S u) {
    return map(u, [c](Rational a, int) { return c * a; });
  }
  S subtract(S u, S v) { return add(u, scale(-1, v)); }
  S differentiate(S u) {
    return make([=, this](const S& z) {
      await_request(z);
      Rational a = get(u);
      for (int i = 1; !a.ended(); ++i) {
        a = get(u);
        if (a.ended()) break;
        send(a * i, z);
        await_request(z);
      }
      finish(z);
    });
  }
  S integrate(Rational constant, S u) {
    return make([=, this](const S& z) {
      put(constant, z);
      copy(map(u, [](Rational a, int i) { return a * Rational(1, i + 1); }), z);
    });
  }
  // With U = u + x·UU and V = v + x·VV: UV = uv + x·(u·VV + v·UU) + x²·UU·VV.
  S multiply(S u, S v) {
    return make([=, this](const S& z) {
      await_request(z);
      const auto [a, b] = get_both(u, v);
      if (a.ended() || b.ended()) finish(z);
      send(a * b, z);
      const auto us = split(u);
      const auto vs = split(v);
      const S w = add(scale(a, vs[0]), scale(b, us[0]));
      await_request(z);
      send(get(w), z);
      copy(add(w, multiply(us[1], vs[1])), z);
    });
  }
  // exp U, for U without a constant term: the integral of itself times U'.
  S exponential(S u) {
    const std::array<S, 2> itself;
    split_into(integrate(1, multiply(itself[0], differentiate(u))), itself);
    return itself[1];
  }
  // U(c·xⁿ).
  S substitute_monomial(S u, Rational c, int n) {
    return make([=, this](const S& z) {
      for (Rational power = 1;; power = power * c) {
        await_request(z);
        const Rational a = get(u);
        if (a.ended()) finish(z);
        send(a * power, z);
        for (int i = 1; i < n; ++i) put(0, z);
      }
    });
  }

 private:
  struct Running {
    WaitGroup group;
    ~Running() { group.done(); }
  };
  template <class F>
  void spawn(F f) {
    running_.add(1);
    go([this, f = std::move(f)] {
      const Running ends{running_};
      f();
    });
  }
  template <class F>
  S make(F f) {
    const S z;
    spawn([f = std::move(f), z] { f(z); });
    return z;
  }
  template <class F>
  S map(S u, F f) {
    return make([=, this](const S& z) {
      for (int i = 0;; ++i) {
        await_request(z);
        const Rational a = get(u);
        if (a.ended()) finish(z);
        send(f(a, i), z);
      }
    });
  }

  auto on_stop() {
    return on_recv(stop_, [] { goexit(); });
  }
  void ask(const S& in) { select(on_send(in.request, Unit{}, nothing), on_stop()); }
  void await_request(const S& out) { select(on_recv(out.request, nothing), on_stop()); }
  void send(Rational a, const S& out) { select(on_send(out.data, Item(a), nothing), on_stop()); }
  Rational receive(const S& in) {
    Rational a;
    select(on_recv(in.data, [&](std::optional<Item> item) { a = rational_of(*item); }), on_stop());
    return a;
  }
  void put(Rational a, const S& out) {
    await_request(out);
    send(a, out);
  }
  // Somebody waits for a coefficient.
  [[noreturn]] void finish(const S& out) {
    for (;;) {
      send(Rational(), out);
      await_request(out);
    }
  }
  [[noreturn]] void copy(const S& in, const S& out) {
    for (;;) {
      await_request(out);
      send(get(in), out);
    }
  }

  // The next coefficient of each, asked for and received in whatever order they come.
  std::pair<Rational, Rational> get_both(const S& u, const S& v) {
    Rational a, b;
    Chan<Unit> ask_u = u.request, ask_v = v.request;
    Chan<Item> from_u(nullptr), from_v(nullptr);
    for (int left = 4; left > 0; --left) {
      select(on_send(ask_u, Unit{}, [&] { ask_u = nullptr, from_u = u.data; }),
             on_send(ask_v, Unit{}, [&] { ask_v = nullptr, from_v = v.data; }),
             on_recv(from_u, [&](std::optional<Item> i) { a = rational_of(*i), from_u = nullptr; }),
             on_recv(from_v, [&](std::optional<Item> i) { b = rational_of(*i), from_v = nullptr; }),
             on_stop());
    }
    return {a, b};
  }

  std::array<S, 2> split(S in) {
    const std::array<S, 2> out;
    split_into(in, out);
    return out;
  }
  void split_into(S in, std::array<S, 2> out) {
    spawn([=, this] { Splitter(*this, in, out).run(); });
  }

  // Two readers of one series. While it waits for the series it still serves the reader that is
  // behind, because that one may be what the series is computed from.
  class Splitter {
   public:
    Splitter(Algebra& algebra, S in, std::array<S, 2> out)
        : algebra_(algebra), in_(in), out_(out) {}
    void run() {
      for (;;) {
        serve(0);
        serve(1);
        if (asked_ == Asked::no && (waits_[0] || waits_[1])) asked_ = Asked::wanted;
        select(request_of(0), request_of(1),
               on_send(asked_ == Asked::wanted ? in_.request : Chan<Unit>(nullptr), Unit{},
                       [&] { asked_ = Asked::yes; }),
               on_recv(asked_ == Asked::yes ? in_.data : Chan<Item>(nullptr),
                       [&](std::optional<Item> item) {
                         asked_ = Asked::no;
                         for (auto& queue : queues_) queue.push_back(rational_of(*item));
                       }),
               algebra_.on_stop());
      }
    }

   private:
    enum class Asked { no, wanted, yes };

    auto request_of(int i) {
      return on_recv(waits_[i] ? Chan<Unit>(nullptr) : out_[i].request,
                     [this, i] { waits_[i] = true; });
    }
    void serve(int i) {
      if (!waits_[i] || queues_[i].empty()) return;
      algebra_.send(queues_[i].front(), out_[i]);
      queues_[i].pop_front();
      waits_[i] = false;
    }

    Algebra& algebra_;
    const S in_;
    const std::array<S, 2> out_;
    std::array<bool, 2> waits_{};
    std::array<std::deque<Rational>, 2> queues_;
    Asked asked_ = Asked::no;
  };

  const Chan<Unit> stop_;
  WaitGroup running_;
};

std::vector<Rational> shortened(std::vector<Rational> terms) {
  terms.resize(std::min<size_t>(terms.size(), rounds(10, 5)));
  return terms;
}

// The first coefficients of make(algebra) are these.
template <class Item, class Make>
void expect_terms(Make make, std::vector<Rational> expected) {
  Algebra<Item> algebra;
  const std::vector<Rational> terms = shortened(std::move(expected));
  const std::vector<Rational> computed =
      algebra.first(static_cast<int>(terms.size()), make(algebra));
  ASSERT_EQ(computed.size(), terms.size());
  for (size_t i = 0; i < terms.size(); ++i) {
    EXPECT_EQ(computed[i].num, terms[i].num) << "coefficient " << i;
    EXPECT_EQ(computed[i].den, terms[i].den) << "coefficient " << i;
  }
}

const std::vector<Rational> kOneToTen = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
const std::vector<Rational> kHarmonic = {0,      1,      {1, 2}, {1, 3}, {1, 4},
                                         {1, 5}, {1, 6}, {1, 7}, {1, 8}, {1, 9}};
const std::vector<Rational> kArcTangent = {0,       1, 0,      {-1, 3}, 0,
                                           {1, 5}, 0, {-1, 7}, 0,      {1, 9}};
// exp(x/(1-x)) over x^n: A000262(n) / n!
const std::vector<Rational> kExponential = {
    1, 1, {3, 2}, {13, 6}, {73, 24}, {167, 40}, {4051, 720}, {37633, 5040}, {43817, 4480},
    {4596553, 362880}};

template <class Item>
struct Make {
  using A = Algebra<Item>;
  static auto ones(A& a) { return a.repeat(1); }
  static auto sum(A& a) { return a.add(a.repeat(1), a.repeat(2)); }
  static auto derivative(A& a) { return a.differentiate(a.repeat(1)); }
  static auto integral(A& a) { return a.integrate(0, a.repeat(1)); }
  static auto scaled(A& a) { return a.scale(-1, a.repeat(2)); }
  static auto difference(A& a) { return a.subtract(a.repeat(1), a.repeat(2)); }
  static auto product(A& a) { return a.multiply(a.repeat(1), a.repeat(1)); }
  // x + x² + …, of which the exponential has rational coefficients.
  static auto exponential(A& a) { return a.exponential(a.repeat(1)); }
  static auto arc_tangent(A& a) {
    return a.integrate(0, a.substitute_monomial(a.repeat(1), -1, 2));
  }
};

using Plain = Make<Rational>;
using Boxed = Make<std::any>;

TEST(PowerSeries, repeats) { expect_terms<Rational>(Plain::ones, std::vector<Rational>(5, 1)); }
TEST(PowerSeries, adds) { expect_terms<Rational>(Plain::sum, std::vector<Rational>(5, 3)); }
TEST(PowerSeries, differentiates) { expect_terms<Rational>(Plain::derivative, kOneToTen); }
TEST(PowerSeries, integrates) { expect_terms<Rational>(Plain::integral, kHarmonic); }
TEST(PowerSeries, scales) { expect_terms<Rational>(Plain::scaled, std::vector<Rational>(10, -2)); }
TEST(PowerSeries, subtracts) {
  expect_terms<Rational>(Plain::difference, std::vector<Rational>(5, -1));
}
TEST(PowerSeries, multiplies) { expect_terms<Rational>(Plain::product, kOneToTen); }
TEST(PowerSeries, exponentiates_through_its_own_output) { expect_terms<Rational>(Plain::exponential, kExponential); }
TEST(PowerSeries, substitutes_a_monomial) { expect_terms<Rational>(Plain::arc_tangent, kArcTangent); }

TEST(BoxedPowerSeries, repeats) { expect_terms<std::any>(Boxed::ones, std::vector<Rational>(5, 1)); }
TEST(BoxedPowerSeries, adds) { expect_terms<std::any>(Boxed::sum, std::vector<Rational>(5, 3)); }
TEST(BoxedPowerSeries, differentiates) { expect_terms<std::any>(Boxed::derivative, kOneToTen); }
TEST(BoxedPowerSeries, integrates) { expect_terms<std::any>(Boxed::integral, kHarmonic); }
TEST(BoxedPowerSeries, scales) {
  expect_terms<std::any>(Boxed::scaled, std::vector<Rational>(10, -2));
}
TEST(BoxedPowerSeries, subtracts) {
  expect_terms<std::any>(Boxed::difference, std::vector<Rational>(5, -1));
}
TEST(BoxedPowerSeries, multiplies) { expect_terms<std::any>(Boxed::product, kOneToTen); }
TEST(BoxedPowerSeries, exponentiates_through_its_own_output) { expect_terms<std::any>(Boxed::exponential, kExponential); }
TEST(BoxedPowerSeries, substitutes_a_monomial) { expect_terms<std::any>(Boxed::arc_tangent, kArcTangent); }

}  // namespace
}  // namespace reprise
