// How many schedules a policy needs to the first failure, per classic kernel: the mean over seeds, beside what
// papers publish.
//
//   reprise-bench-schedules [--seeds N] [--policy P]… [--kernel K]… [--cap N]
//   reprise-bench-schedules [--policy P]… --speed N    schedules a second of CPU of a test of three goroutines, over
//                                                      N of them
//
// After the table: where published means differ by three times or more, whether the same order is here, by a
// Mann-Whitney test (normal approximation, ties at half).
//
// A seed that reaches the cap counts as the cap, and how many did is listed. Race reports are off: a failure
// is the kernel's own assertion or a deadlock. Shared variables announce their accesses (corpus/programs/kernels/
// kernel.h), or are plain ones in the checked flavour (reprise-bench-schedules-checked).
#include <reprise/explore.h>
#include <reprise/go.h>
#include <reprise/main.h>
#include <reprise/sync.h>

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "corpus/programs/kernels/kernels.h"

namespace {

struct Column {
  const char* policy;
  const char* title;
};
constexpr Column kColumns[] = {{"walk", "random walk"},   {"pct:3", "PCT d=3"}, {"pos", "POS"},
                               {"surw", "SURW"},          {"greybox", "greybox"},
                               {"delay", "delay"},        {"preemption", "preemption"},
                               {"random", "random"},      {"portfolio", "portfolio"}};

// Published means, in the order of the first five columns: up to two laboratories; "" unknown, "-" never.
struct Published {
  const char* kernel;
  const char* means[5];
};
constexpr Published kPublished[] = {
    {"account", {"18", "4 / 9", "4 / 1", "6", "1"}},
    {"bluetooth_driver", {"215", "112 / 161", "36 / 72", "70", "45"}},
    {"circular_buffer", {"4", "9 / 5", "2 / 2", "3", "2"}},
    {"deadlock01", {"3", "13 / 20", "4 / 4", "2", "5"}},
    {"lazy01", {"21", "5 / 10", "5 / 5", "2", "6"}},
    {"stack", {"176", "3 / 2", "2 / 2", "5", "2"}},
    {"token_ring", {"13", "8 / 8", "9 / 7", "8", "5"}},
    {"wronglock", {"36", "51 / 88", "10 / 1", "7", "1"}},
    {"twostage", {"464", "13 / 9", "15 / 15", "8", "8"}},
    {"reorder_3", {"-", "185 / 241", "86 / 223", "7", "7"}},
    {"reorder_4", {"-", "554 / 395", "533 / 1464", "7", "6"}},
    {"reorder_5", {"-", "647 / 1126", "2169 / 4377", "10", "6"}},
};

struct Settings {
  uint64_t seeds = 100;
  uint64_t cap = 10'000;
  std::vector<std::string> policies, kernels;
};

bool wanted(const std::vector<std::string>& list, const char* name) {
  return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
}

const char* published(const char* kernel, size_t column) {
  if (column >= std::size(kPublished[0].means)) return "";
  for (const Published& row : kPublished) {
    if (std::strcmp(row.kernel, kernel) == 0) return row.means[column];
  }
  return "";
}

struct Cell {
  std::vector<double> samples;
  uint64_t capped = 0;

  double mean() const {
    double sum = 0;
    for (const double sample : samples) sum += sample;
    return sum / static_cast<double>(samples.size());
  }
  double worst() const { return *std::max_element(samples.begin(), samples.end()); }
};

// The probability, if both were alike, of `low` being as much lower than `high` as it is.
double mann_whitney(const Cell& low, const Cell& high) {
  double u = 0;
  for (const double a : low.samples) {
    for (const double b : high.samples) u += a < b ? 1 : a == b ? 0.5 : 0;
  }
  const auto n = static_cast<double>(low.samples.size()), m = static_cast<double>(high.samples.size());
  const double z = (u - n * m / 2) / std::sqrt(n * m * (n + m + 1) / 12);
  return 0.5 * std::erfc(z / std::sqrt(2));
}

// The least and the greatest of the published means; false if there is none, or it never found the bug.
bool range_of(const char* text, double* least, double* most) {
  double a = 0, b = 0;
  const int read = std::sscanf(text, "%lf / %lf", &a, &b);
  if (read < 1) return false;
  *least = read == 2 ? std::min(a, b) : a;
  *most = read == 2 ? std::max(a, b) : a;
  return true;
}

Cell measure(const Settings& settings, const kernels::Kernel& kernel, const char* policy) {
  Cell cell;
  for (uint64_t seed = 1; seed <= settings.seeds; ++seed) {
    reprise::ExploreOptions options;
    options.policy = policy;
    options.seed = seed;
    options.schedules = settings.cap;
    options.confirm = false;
    const auto found = reprise::explore(options, [&] { kernel.run(false); });
    if (!found.failure) ++cell.capped;
    cell.samples.push_back(static_cast<double>(found.failure ? found.schedules : settings.cap));
  }
  return cell;
}

void print_order(const char* kernel, size_t low, size_t high, const std::vector<Cell>& cells) {
  double low_least = 0, low_most = 0, high_least = 0, high_most = 0;
  if (!range_of(published(kernel, low), &low_least, &low_most)) return;
  if (!range_of(published(kernel, high), &high_least, &high_most)) return;
  if (high_least < 3 * low_most || cells[low].samples.empty() || cells[high].samples.empty()) return;
  const double p = mann_whitney(cells[low], cells[high]);
  std::printf("%s: %s before %s, published [%s] and [%s]: %.1f and %.1f, p = %.2g%s\n", kernel,
              kColumns[low].title, kColumns[high].title, published(kernel, low), published(kernel, high),
              cells[low].mean(), cells[high].mean(), p, p < 0.05 ? "" : ", not so here");
}

void print_orders(const char* kernel, const std::vector<Cell>& cells) {
  for (size_t low = 0; low < std::size(kColumns); ++low) {
    for (size_t high = 0; high < std::size(kColumns); ++high) print_order(kernel, low, high, cells);
  }
}

std::vector<Cell> print_row(const Settings& settings, const kernels::Kernel& kernel) {
  std::vector<Cell> cells(std::size(kColumns));
  std::printf("| %s | %d |", kernel.name, kernel.threads);
  for (size_t i = 0; i < std::size(kColumns); ++i) {
    if (!wanted(settings.policies, kColumns[i].policy)) continue;
    Cell& cell = cells[i] = measure(settings, kernel, kColumns[i].policy);
    std::printf(" %.1f", cell.mean());
    if (cell.capped != 0) std::printf(" (%lu at the cap)", cell.capped);
    if (std::strcmp(kColumns[i].policy, "portfolio") == 0) std::printf(", at most %.0f", cell.worst());
    const char* paper = published(kernel.name, i);
    if (*paper != 0) std::printf(" [%s]", paper);
    std::printf(" |");
    std::fflush(stdout);
  }
  std::printf("\n");
  return cells;
}

void print_head(const Settings& settings) {
#ifdef REPRISE_CHECKED_KERNELS
  std::printf("Checked flavour. ");
#endif
  std::printf("Mean schedules to the first failure over %lu seeds, cap %lu; [published means].\n\n",
              settings.seeds, settings.cap);
  std::printf("| kernel | threads |");
  size_t columns = 2;
  for (const Column& column : kColumns) {
    if (!wanted(settings.policies, column.policy)) continue;
    std::printf(" %s |", column.title);
    ++columns;
  }
  std::printf("\n|");
  for (size_t i = 0; i < columns; ++i) std::printf("---|");
  std::printf("\n");
}

// The body and two more, each with one critical section.
void three_goroutines() {
  reprise::Mutex lock;
  reprise::WaitGroup others;
  int sum = 0;
  const auto add = [&] {
    const std::lock_guard hold(lock);
    ++sum;
  };
  others.add(2);
  for (int i = 0; i < 2; ++i) {
    reprise::go([&add, others]() mutable {
      add();
      others.done();
    });
  }
  add();
  others.wait();
}

// Schedules are made in children, one at a time; of a machine that does other things the clock says little.
double seconds_of_children() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

int measure_speed(const Settings& settings, uint64_t schedules) {
  for (const char* policy : {"fair", "random", "walk", "pct:3", "delay", "preemption", "pos", "surw", "greybox", "portfolio"}) {
    if (!wanted(settings.policies, policy)) continue;
    reprise::ExploreOptions options;
    options.policy = policy;
    options.schedules = schedules;
    const double before = seconds_of_children();
    const auto result = reprise::explore(options, three_goroutines);
    const double took = seconds_of_children() - before;
    std::printf("%-10s %9.0f schedules a second of CPU\n", policy, static_cast<double>(result.schedules) / took);
    std::fflush(stdout);
  }
  return 0;
}

int run(int argc, char** argv) {
  setenv("REPRISE_RACE", "report=0", 1);  // read at the first schedule
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--seeds") settings.seeds = std::strtoull(argv[i + 1], nullptr, 0);
    else if (option == "--speed") return measure_speed(settings, std::strtoull(argv[i + 1], nullptr, 0));
    else if (option == "--cap") settings.cap = std::strtoull(argv[i + 1], nullptr, 0);
    else if (option == "--policy") settings.policies.emplace_back(argv[i + 1]);
    else if (option == "--kernel") settings.kernels.emplace_back(argv[i + 1]);
    else return std::fprintf(stderr, "unknown option %s\n", argv[i]), 64;
  }
  print_head(settings);
  std::vector<std::pair<const char*, std::vector<Cell>>> rows;
  for (const kernels::Kernel& kernel : kernels::all()) {
    if (wanted(settings.kernels, kernel.name)) rows.emplace_back(kernel.name, print_row(settings, kernel));
  }
  std::printf("\n");
  for (const auto& [kernel, cells] : rows) print_orders(kernel, cells);
  return 0;
}

}  // namespace

REPRISE_MAIN(run)
