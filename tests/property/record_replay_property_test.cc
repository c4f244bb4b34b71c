// Random concurrent programs, each recorded under a random policy and seed, then replayed: the same
// output, the same end, the same fingerprint, the same hash of all writable memory. The program that runs
// them is plain, or counted by one of the compilers: then it is preempted between instructions, by time or
// by the policy, and all registers are compared there too.
//
//   property_test [--pairs N] [--seed S] [--keep FOLDER] [--only LETTERS]
//
// With --only, operations are of those letters, equally often.
//
// The seed is printed. A failing pair's trace is kept in FOLDER (the current one), with the commands
// that replay and record it printed; then the program is shrunk. If the rate of divergences is p per
// pair, N pairs miss it with probability (1 - p)^N: 2,000 pairs find a rate of 1 in 400 with
// probability 0.993, 100,000 find 1 in 20,000.
#include <rapidcheck.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/property/pair.h"

namespace {

using reprise::property::Case;
using reprise::property::Pairs;

// One operation of a script: letter (or sign) and digit.
struct Operation {
  char letter;
  int digit;
};
using Task = std::vector<Operation>;

// For rapidcheck's report.
void showValue(const Operation& operation, std::ostream& out) {
  out << operation.letter << operation.digit;
}

std::string script_of(const std::vector<Task>& tasks) {
  std::string script;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (i > 0) script += ',';
    for (const Operation& operation : tasks[i]) {
      script += operation.letter;
      script += static_cast<char>('0' + operation.digit);
    }
  }
  return script;
}

// Operations that end or block a program for good are rare, or nothing else would be seen.
rc::Gen<char> any_letter(const std::string& only) {
  if (!only.empty()) return rc::gen::elementOf(only);
  return rc::gen::weightedElement<char>({
      {48, 'g'}, {12, 's'}, {16, 'S'}, {12, 'r'}, {16, 'R'}, {12, 'e'}, {12, 'm'}, {12, 'M'},
      {4, 'N'}, {8, 'w'}, {8, 'W'}, {8, 'q'}, {8, 'Q'}, {8, 'p'}, {8, 'P'}, {4, 'u'}, {6, 'i'},
      {6, 'I'}, {8, 't'}, {8, 'T'}, {8, 'a'}, {6, 'A'}, {6, 'j'}, {6, 'z'}, {10, 'o'}, {8, 'O'},
      {6, 'Z'}, {6, 'f'}, {6, 'F'}, {8, 'k'}, {8, 'K'}, {10, 'h'}, {6, 'd'}, {6, 'D'}, {8, 'x'},
      {4, 'l'}, {12, 'y'}, {3, 'B'}, {3, 'b'}, {1, 'n'}, {2, 'c'}, {2, 'v'}, {1, 'V'}, {2, 'E'},
      {8, 'C'}, {6, 'G'}, {2, 'H'}, {6, 'J'}, {6, 'L'}, {8, 'U'}, {6, 'X'}, {12, 'Y'},
      {24, '@'}, {12, '%'}, {6, '_'}, {6, '+'}, {6, ':'},
  });
}

rc::Gen<Operation> any_operation(const std::string& only) {
  return rc::gen::map(rc::gen::pair(any_letter(only), rc::gen::inRange(0, 10)),
                      [](const std::pair<char, int>& p) { return Operation{p.first, p.second}; });
}

// Up to 7 tasks of up to 14 operations; which of them run, and how often, is the program's doing.
rc::Gen<std::vector<Task>> any_program(const std::string& only) {
  const auto task = rc::gen::resize(14, rc::gen::container<Task>(any_operation(only)));
  return rc::gen::resize(7, rc::gen::nonEmpty(rc::gen::container<std::vector<Task>>(task)));
}

struct Options {
  uint64_t pairs = 100;
  uint64_t seed = std::random_device()();
  std::string keep = ".";
  std::string only;
};

uint64_t number(const char* text) { return std::strtoull(text, nullptr, 10); }

Options parsed(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--pairs") == 0) options.pairs = number(argv[i + 1]);
    if (std::strcmp(argv[i], "--seed") == 0) options.seed = number(argv[i + 1]);
    if (std::strcmp(argv[i], "--keep") == 0) options.keep = argv[i + 1];
    if (std::strcmp(argv[i], "--only") == 0) options.only = argv[i + 1];
  }
  return options;
}

// At once, before anything is shrunk: a failure that depends on timing may not come back.
void keep_failure(const Options& options, const Pairs& pairs, const Case& c,
                  const std::string& difference) {
  static int kept = 0;
  const std::string to = options.keep + "/pair-" + std::to_string(options.seed) + "-" +
                         std::to_string(kept++) + ".rpz";
  std::error_code failed;
  std::filesystem::copy_file(pairs.trace(), to, failed);
  std::fprintf(stderr, "%s\n%s\n", pairs.record_command(c).c_str(), difference.c_str());
  if (failed) return void(std::fprintf(stderr, "no trace is kept: %s\n", failed.message().c_str()));
  std::fprintf(stderr, "%s replay %s%s\n", REPRISE_COMMAND, c.hash_memory ? "--hash-memory " : "",
               to.c_str());
}

bool check(const Options& options, Pairs& pairs) {
  const std::string parameters = "seed=" + std::to_string(options.seed) +
                                 " max_success=" + std::to_string(options.pairs);
  setenv("RC_PARAMS", parameters.c_str(), 1);
  return rc::check("a recorded program replays", [&pairs, &options] {
    const auto tasks = *any_program(options.only).as("tasks");
    const Case c{*rc::gen::elementOf(std::vector<std::string>{REPRISE_RANDOM_PROGRAMS}).as("program"),
                 *rc::gen::elementOf(std::vector<std::string>{"fair", "random"}).as("policy"),
                 *rc::gen::inRange<uint64_t>(0, 1'000'000).as("seed"),
                 *rc::gen::elementOf(std::vector<uint64_t>{20, 50, 150, 10'000}).as("slice"),
                 *rc::gen::weightedElement<bool>({{3, true}, {1, false}}).as("hash memory"),
                 script_of(tasks)};
    const std::string difference = pairs.difference(c);
    RC_TAG(pairs.recorded().end());
    if (difference.empty()) return;
    keep_failure(options, pairs, c, difference);
    RC_FAIL(difference);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parsed(argc, argv);
  std::printf("property_test --pairs %llu --seed %llu\n",
              static_cast<unsigned long long>(options.pairs),
              static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  Pairs pairs(REPRISE_COMMAND);
  return check(options, pairs) ? 0 : 1;
}
