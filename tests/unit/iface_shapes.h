// Types and interfaces that iface_test shares with another file of its program and with a library that it loads.
//
// Thread safety: plain values.
#pragma once

#include <reprise/iface.h>
#include <reprise/panic.h>

#include <memory>
#include <string>

namespace reprise {

struct Shape {
  double area() const;
  int corners() const;
};
REPRISE_INTERFACE(Shape, area, corners)

struct Growing {
  double area() const;
  void grow(double factor);
  int corners() const;
};
REPRISE_INTERFACE(Growing, grow, corners, area)

struct Square {
  double side = 1;
  double area() const { return side * side; }
  int corners() const noexcept { return 4; }
  void grow(double factor) { side *= factor; }
  friend bool operator==(const Square&, const Square&) = default;
};
REPRISE_METHODS(Square, grow, area, corners)
template <>
struct Hash<Square> {
  uint64_t operator()(const Square& square, uint64_t seed) const { return Hash<double>()(square.side, seed); }
};

struct Circle {
  double radius = 1;
  double area() const { return 3 * radius * radius; }
  int corners() const { return 0; }
};
REPRISE_METHODS(Circle, area, corners)

struct Mixing {
  std::unique_ptr<int> move(std::unique_ptr<int> value);
  void append(std::string& to, const char* what);
  std::string& same(std::string& text);
  void fail();
};
REPRISE_INTERFACE(Mixing, move, append, same, fail)

struct Mixer {
  std::unique_ptr<int> move(std::unique_ptr<int> value) {
    ++*value;
    return value;
  }
  void append(std::string& to, const char* what) { to += what; }
  std::string& same(std::string& text) { return text; }
  void fail() { panic("mixer"); }
};
REPRISE_METHODS(Mixer, move, append, same, fail)

namespace {
struct Hidden {};
}  // namespace
Any hidden_of_another_file();

struct LibraryExports {
  const rt::Type* type_of_square;
  Any (*make_square)(double side);
  double (*area_of)(const Any& any);
  bool (*is_hidden)(const Any& any);
};

}  // namespace reprise
