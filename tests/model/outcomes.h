// What a small program can end with, as text: the results of litmus tests.
#pragma once

#include <array>
#include <set>
#include <string>

#include "tests/model/explorer.h"
#include "tests/model/family.h"

namespace reprise::model {

// Registers of the threads; plain, since they are read when all is over.
struct Registers {
  std::array<int, 8> r{};
};

using Outcomes = std::set<std::string>;

inline std::string text_of(const std::array<int, 8>& values, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i == 0 ? "" : " ") + std::to_string(values[i]);
  return text;
}

}  // namespace reprise::model
