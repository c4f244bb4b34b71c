// A library with descriptors of its own for the types that it shares with the program that loads it.
#include "tests/unit/iface_shapes.h"

namespace reprise {
namespace {
Any make_square(double side) { return Square{side}; }
double area_of(const Any& any) { return any.to<Shape>().area() + 0 * any.to<Square>().side; }
bool is_hidden(const Any& any) { return any.is<Hidden>(); }
}  // namespace
}  // namespace reprise

extern "C" {
[[gnu::visibility("default")]] extern const reprise::LibraryExports library_exports;
}
const reprise::LibraryExports library_exports{reprise::rt::type_of<reprise::Square>(), reprise::make_square,
                                              reprise::area_of, reprise::is_hidden};
