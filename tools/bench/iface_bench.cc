// What interfaces cost: assertions by inline cache, by table and at first use, calls, switches, boxes.
#include <benchmark/benchmark.h>
#include <reprise/iface.h>
#include <reprise/type_switch.h>

#include <cstdlib>
#include <vector>

namespace {

using namespace reprise;

struct Shape {
  int area() const;
  int corners() const;
};
REPRISE_INTERFACE(Shape, area, corners)

template <int N>
struct Solid {
  int area() const { return N; }
  int corners() const { return N + 1; }
};
template <int N>
struct SolidMethods {
  REPRISE_METHOD_TAG(area)
  REPRISE_METHOD_TAG(corners)
  using List = detail::Sorted<area_method, corners_method>::List;
};
template <int N>
constexpr SolidMethods<N> reprise_methods_of(const Solid<N>*) {
  return {};
}

Solid<1> one;
Solid<2> two;

void itab_inline_hit(benchmark::State& state) {
  const Any any = &one;
  for (auto _ : state) benchmark::DoNotOptimize(any.is<Shape>());
}
BENCHMARK(itab_inline_hit);

// Every other value misses the site's cache.
void itab_table_hit(benchmark::State& state) {
  const rt::InterfaceType* const shape = detail::interface_type<Shape>();
  const rt::Type* const types[] = {rt::type_of<Solid<1>*>(), rt::type_of<Solid<2>*>()};
  (void)Any(&two).is<Shape>();
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(rt::getitab(shape, types[++i & 1]));
}
BENCHMARK(itab_table_hit);

// One item is one itab, of copies of a descriptor: nothing has seen these before.
void itab_build(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto* const types = static_cast<rt::Type*>(std::malloc(1000 * sizeof(rt::Type)));
    static uint32_t hash = 1;
    for (int i = 0; i < 1000; ++i) {
      types[i] = *rt::type_of<Solid<1>*>();
      types[i].hash = hash += 0x9e3779b9;
    }
    state.ResumeTiming();
    for (int i = 0; i < 1000; ++i) benchmark::DoNotOptimize(rt::getitab(detail::interface_type<Shape>(), types + i));
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(itab_build)->Iterations(100);

void assert_concrete(benchmark::State& state) {
  const Any any = &one;
  for (auto _ : state) benchmark::DoNotOptimize(any.as<Solid<1>*>());
}
BENCHMARK(assert_concrete);

void assert_to_interface(benchmark::State& state) {
  const Any any = &one;
  for (auto _ : state) benchmark::DoNotOptimize(any.to<Shape>());
}
BENCHMARK(assert_to_interface);

void call_of_method(benchmark::State& state) {
  const Iface<Shape> shape = &one;
  for (auto _ : state) {
    benchmark::DoNotOptimize(&shape);
    benchmark::ClobberMemory();
    benchmark::DoNotOptimize(shape.corners());
  }
}
BENCHMARK(call_of_method);

void box_and_drop(benchmark::State& state) {
  double value = 1.5;
  for (auto _ : state) {
    benchmark::DoNotOptimize(value);
    const Any any = value;
    benchmark::DoNotOptimize(any);
  }
}
BENCHMARK(box_and_drop);

void switch_of_eight_types(benchmark::State& state) {
  const std::vector<Any> values{1, 2L, 3.0, 'c', 1.0f, &one, Any(short{1}), Any(5u)};
  size_t i = 0;
  for (auto _ : state) {
    const int kind = type_switch(
        values[++i & 7], when<int>([](int) { return 1; }), when<long>([](long) { return 2; }),
        when<double>([](double) { return 3; }), when<char>([](char) { return 4; }), when<float>([](float) { return 5; }),
        when<Solid<1>*>([](Solid<1>*) { return 6; }), when<short>([](short) { return 7; }),
        when<unsigned>([](unsigned) { return 8; }), when_other([](const Any&) { return 0; }));
    benchmark::DoNotOptimize(kind);
  }
}
BENCHMARK(switch_of_eight_types);

}  // namespace
