// The list of all bugs: one class after another.
#include "corpus/programs/go_bugs/bugs.h"

#include <vector>

namespace go_bugs {

std::span<const Bug> all() {
  static const std::vector<Bug> list = [] {
    std::vector<Bug> bugs;
    for (const auto& of_class : {locks(), conditions(), groups(), channels(), selects(), times()}) {
      bugs.insert(bugs.end(), of_class.begin(), of_class.end());
    }
    return bugs;
  }();
  return list;
}

}  // namespace go_bugs
