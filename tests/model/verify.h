// GoogleTest around explore(): a claim is verified, or a seeded bug is found.
//
// Every program of tests/model takes two arguments beside GoogleTest's:
//   --schedule=S   one schedule only, with its trace: S is what a failure printed. With --gtest_filter.
//   --soak         larger searches, for tools/soak
#pragma once

#include <string>

#include "tests/model/explorer.h"

namespace reprise::model {

bool soaking();

// Every behaviour was visited and none failed. Of sampling searches: none failed.
void verify(const Program& program, Options options = {});

// The search finds a failure whose text contains `expected`, and the failure repeats.
void finds(const std::string& expected, const Program& program, Options options = {});

}  // namespace reprise::model
