// Names for goroutines, objects and places, and the two forms of an explanation.
//
// Goroutines are shown by their numbers in the run, objects by what is done to them and in order of
// appearance ("mutex 1"), places as the line of the program that asked for the operation.
#include "tools/cli/explanation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/sim/faults.h"
#include "tools/cli/subject.h"
#include "tools/cli/symbols.h"

namespace reprise::cli {
namespace {

using seam::OpKind;
using trace::Operation;

const char* kind_of_object(OpKind op) {
  switch (op) {
    case OpKind::chan_send: case OpKind::chan_recv: case OpKind::chan_close: case OpKind::chan_len:
    case OpKind::select: return "chan";
    case OpKind::lock: case OpKind::unlock: case OpKind::try_lock: case OpKind::rlock: case OpKind::runlock:
      return "mutex";
    case OpKind::wait: case OpKind::signal: case OpKind::broadcast: return "cond";
    case OpKind::acquire: case OpKind::release: return "semaphore";
    case OpKind::wg_add: case OpKind::wg_wait: return "waitgroup";
    case OpKind::once: return "once";
    case OpKind::atomic_load: case OpKind::atomic_store: case OpKind::atomic_rmw: return "atomic";
    case OpKind::timer_start: case OpKind::timer_stop: return "timer";
    case OpKind::io_read: case OpKind::io_write: case OpKind::io_open: case OpKind::io_close:
    case OpKind::io_other: return "descriptor";
    case OpKind::memory_read: case OpKind::memory_write: return "variable";
    default: return "object";
  }
}

class Names {
 public:
  explicit Names(const Explanation& e) : sites_(e.executable) {
    for (const Operation& o : e.operations) {
      goids_[o.goroutine] = o.goid;
      for (const seam::Access& access : o.accesses) {
        if (objects_.contains(access.object)) continue;
        const char* kind = kind_of_object(o.op);
        objects_[access.object] = fmt::format("{} {}", kind, ++counts_[kind]);
      }
    }
    for (const trace::Waiting& w : e.waiting)
      if (w.goid != 0) goids_[w.goroutine] = w.goid;
  }

  std::string goroutine(seam::GoId who) const {
    const auto at = goids_.find(who);
    return at != goids_.end() ? fmt::format("G{}", at->second) : "G?";
  }
  std::string object(seam::ObjectId object) const {
    const auto at = objects_.find(object);
    return at != objects_.end() ? at->second : "object";
  }
  // "lock mutex 1"
  std::string what(const Operation& o) const {
    std::string text = seam::name_of(o.op);
    std::replace(text.begin(), text.end(), '_', ' ');
    std::vector<std::string> on;
    for (const seam::Access& access : o.accesses) on.push_back(object(access.object));
    return on.empty() ? text : fmt::format("{} {}", text, fmt::join(on, ", "));
  }
  // "/src/account.cc:22 deposit(...)"; empty if nobody knows.
  std::string place(seam::Site site) const { return site == 0 ? "" : sites_.user_line(site); }
  // "account.cc:22"
  std::string short_place(seam::Site site) const {
    const std::string line = place(site).substr(0, place(site).find(' '));
    return line.substr(line.rfind('/') + 1);
  }

 private:
  SiteNames sites_;
  std::map<seam::GoId, uint64_t> goids_;
  std::map<seam::ObjectId, std::string> objects_;
  std::map<std::string, int> counts_;
};

std::string state_of(const Operation& o) {
  if (o.blocked) return ", waits";
  return o.preempted ? ", stopped before it" : "";
}

// A column a goroutine, a row an operation, in the order in which they were done.
class Table {
 public:
  Table(const Explanation& e, const Names& names, size_t rows) : e_(e), names_(names) {
    from_ = rows == 0 || e.operations.size() <= rows ? 0 : e.operations.size() - rows;
    for (size_t i = from_; i < e.operations.size(); ++i) {
      const Operation& o = e.operations[i];
      if (std::find(columns_.begin(), columns_.end(), o.goroutine) == columns_.end()) columns_.push_back(o.goroutine);
    }
    std::sort(columns_.begin(), columns_.end(), [&](seam::GoId a, seam::GoId b) {
      return std::pair(names_.goroutine(a).size(), names_.goroutine(a)) < std::pair(names_.goroutine(b).size(), names_.goroutine(b));
    });
    widths_.assign(columns_.size(), 6);
    for (size_t i = from_; i < e.operations.size(); ++i) {
      size_t& width = widths_[column_of(e.operations[i])];
      width = std::max(width, cell(i).size());
    }
  }

  std::string text() const {
    std::string out = "  ";
    for (size_t c = 0; c < columns_.size(); ++c) out += fmt::format("{:<{}}  ", names_.goroutine(columns_[c]), widths_[c]);
    trim(out);
    if (from_ > 0) out += fmt::format("  ... {} operations before\n", from_);
    for (size_t i = from_; i < e_.operations.size(); ++i) {
      out += mark(i);
      for (size_t c = 0; c < columns_.size(); ++c) {
        out += fmt::format("{:<{}}  ", c == column_of(e_.operations[i]) ? cell(i) : "", widths_[c]);
      }
      trim(out);
    }
    return out;
  }

 private:
  static void trim(std::string& out) {
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  size_t column_of(const Operation& o) const {
    return static_cast<size_t>(std::find(columns_.begin(), columns_.end(), o.goroutine) - columns_.begin());
  }
  const char* mark(size_t i) const {
    const bool critical = e_.critical && (i == e_.critical->first || i == e_.critical->second);
    return critical ? "> " : "  ";
  }
  std::string cell(size_t i) const {
    const Operation& o = e_.operations[i];
    const std::string place = names_.short_place(o.site);
    return names_.what(o) + state_of(o) + (place.empty() ? "" : "  " + place);
  }

  const Explanation& e_;
  const Names& names_;
  size_t from_ = 0;
  std::vector<seam::GoId> columns_;
  std::vector<size_t> widths_;
};

std::string sentence(const Names& names, const Operation& o) {
  return fmt::format("  {}: {} at {}\n", names.goroutine(o.goroutine), names.what(o), names.place(o.site));
}

std::string critical_text(const Explanation& e, const Names& names) {
  if (!e.critical) {
    if (!e.why_not.empty()) return "";
    return fmt::format("No pair of operations was found whose order decides: {} of {} pairs were swapped, and it failed all the same.\n",
                       e.tried, e.pairs);
  }
  return fmt::format("The critical pair, on {}: this came first\n{}and this after it\n{}The other way round, all else alike, it {}.\n",
                     names.object(e.critical->object), sentence(names, e.operations[e.critical->first]),
                     sentence(names, e.operations[e.critical->second]),
                     e.swapped.fails() ? "ends otherwise: " + e.swapped.text() : "passes");
}

// The fault and the operation that it befell, which is null if none of the goroutine's is known.
struct Befallen {
  const char* fault;
  seam::GoId goroutine;
  const Operation* operation;
};

std::vector<Befallen> faults_of(const Explanation& e) {
  std::vector<Befallen> out;
  for (const trace::Happening& h : e.run.happenings) {
    if (!h.is_choice(seam::DecisionKind::fault) || h.head.by_default) continue;
    const auto at = std::find_if(e.operations.begin(), e.operations.end(), [&](const Operation& o) {
      return o.goroutine == h.head.goroutine && o.own_step == h.head.own_step;
    });
    out.push_back({sim::name_of(static_cast<sim::Fault>(h.head.site)), h.head.goroutine,
                   at != e.operations.end() ? &*at : nullptr});
  }
  return out;
}

std::string faults_text(const Explanation& e, const Names& names) {
  std::string out;
  for (const Befallen& b : faults_of(e)) {
    out += b.operation != nullptr ? fmt::format("  {}, which befell{}", b.fault, sentence(names, *b.operation).substr(1))
                                  : fmt::format("  {}, which befell {}\n", b.fault, names.goroutine(b.goroutine));
  }
  return out.empty() ? out : "Faults that it takes:\n" + out;
}

std::string waiting_line(const Names& names, const trace::Waiting& w) {
  std::string text = fmt::format("  {} waits", names.goroutine(w.goroutine));
  if (w.announced) text += fmt::format(" in {} at {}", names.what(w.in), names.place(w.in.site));
  std::vector<std::string> whom;
  for (const seam::GoId who : w.for_whom) whom.push_back(names.goroutine(who));
  if (whom.empty()) return text + "; nobody alive has to do with it\n";
  return text + (w.holders ? "; held by " : "; to do with it had ") + fmt::format("{}\n", fmt::join(whom, ", "));
}

std::string waiting_text(const Explanation& e, const Names& names) {
  if (e.waiting.empty()) return "";
  std::string out = "Who waits at the end:\n";
  for (const trace::Waiting& w : e.waiting) out += waiting_line(names, w);
  if (e.cycle.empty()) return out;
  std::vector<std::string> path;
  for (const seam::GoId who : e.cycle) path.push_back(names.goroutine(who));
  path.push_back(path.front());
  return out + fmt::format("Cycle: {}\n", fmt::join(path, " -> "));
}

nlohmann::json json_of(const Names& names, const Operation& o) {
  nlohmann::json objects = nlohmann::json::array();
  for (const seam::Access& access : o.accesses) objects.push_back({{"object", names.object(access.object)}, {"write", access.write}});
  return {{"goroutine", names.goroutine(o.goroutine)}, {"operation", seam::name_of(o.op)}, {"accesses", objects},
          {"place", names.place(o.site)}, {"own_step", o.own_step}, {"stopped_before", o.preempted}, {"waits", o.blocked}};
}

nlohmann::json json_of(const trace::Weight& w) {
  return {{"preemptions", w.preemptions}, {"deviations", w.deviations}, {"switches", w.switches},
          {"faults", w.faults}, {"goroutines", w.goroutines}, {"steps", w.steps}};
}

nlohmann::json waiting_json(const Explanation& e, const Names& names) {
  nlohmann::json out = nlohmann::json::array();
  for (const trace::Waiting& w : e.waiting) {
    nlohmann::json whom = nlohmann::json::array();
    for (const seam::GoId who : w.for_whom) whom.push_back(names.goroutine(who));
    out.push_back({{"goroutine", names.goroutine(w.goroutine)}, {"in", w.announced ? json_of(names, w.in) : nlohmann::json()},
                   {w.holders ? "held_by" : "had_to_do_with_it", whom}});
  }
  return out;
}

}  // namespace

std::string explanation_text(const Explanation& e, size_t rows) {
  const Names names(e);
  std::string out = e.ending.text() + "\n";
  const trace::Weight shown = trace::weight_of(e.run);
  out += e.shrunk ? fmt::format("Shown is the shortest run found that ends so: {}.\nRecorded were {}.\n", weight_text(shown), weight_text(e.recorded))
                  : fmt::format("Shown is the recorded run: {}.\n", weight_text(shown));
  if (!e.why_not.empty()) out += e.why_not + ".\n";
  out += "\n" + Table(e, names, rows).text() + "\n";
  out += faults_text(e, names);
  out += critical_text(e, names);
  return out + waiting_text(e, names);
}

std::string explanation_json(const Explanation& e) {
  const Names names(e);
  nlohmann::json operations = nlohmann::json::array(), cycle = nlohmann::json::array(), pair;
  for (const Operation& o : e.operations) operations.push_back(json_of(names, o));
  for (const seam::GoId who : e.cycle) cycle.push_back(names.goroutine(who));
  nlohmann::json faults = nlohmann::json::array();
  for (const Befallen& b : faults_of(e)) {
    faults.push_back({{"fault", b.fault}, {"goroutine", names.goroutine(b.goroutine)},
                      {"operation", b.operation != nullptr ? json_of(names, *b.operation) : nlohmann::json()}});
  }
  if (e.critical) {
    pair = {{"object", names.object(e.critical->object)}, {"first", json_of(names, e.operations[e.critical->first])},
            {"second", json_of(names, e.operations[e.critical->second])}, {"swapped", e.swapped.text()},
            {"passes_swapped", !e.swapped.fails()}};
  }
  const nlohmann::json out = {{"trace", e.path}, {"failure", e.ending.text()}, {"shrunk", e.shrunk}, {"why_not", e.why_not},
                              {"recorded", json_of(e.recorded)}, {"shown", json_of(trace::weight_of(e.run))},
                              {"interleaving", operations}, {"faults", faults}, {"critical_pair", pair}, {"pairs", e.pairs},
                              {"pairs_tried", e.tried}, {"waiting", waiting_json(e, names)}, {"cycle", cycle}};
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace reprise::cli
