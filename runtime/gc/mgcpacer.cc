// The pacer's arithmetic. The head of the header has the formulas.
//
// Invariant: marked <= trigger < goal, or both are kNoLimit; a ratio is positive and finite.
#include "runtime/gc/mgcpacer.h"

#include <algorithm>
#include <cmath>

namespace reprise::rt {

namespace {

constexpr double kLeastWay = 0.7, kMostWay = 0.95;  // of the way from marked to goal: where a trigger may lie
constexpr double kOvershoot = 1.1;                  // how far a goal that was passed is put off
constexpr double kMemory = 0.5;                     // of the new measurement in cons_mark_

int64_t clamped(double bytes) {
  return bytes >= static_cast<double>(kNoLimit) ? kNoLimit : static_cast<int64_t>(bytes);
}

}  // namespace

WorkerPlan plan_workers(int32_t procs) {
  const double wanted = procs * kGcBackgroundUtilization;
  WorkerPlan plan;
  plan.dedicated = static_cast<int32_t>(wanted + 0.5);
  const double error = plan.dedicated / wanted - 1;
  if (error >= -0.3 && error <= 0.3) return plan;
  if (plan.dedicated > wanted) --plan.dedicated;
  plan.fractional = (wanted - plan.dedicated) / procs;
  return plan;
}

void Pacer::set_percent(int32_t percent) { percent_ = percent < 0 ? -1 : percent; }

void Pacer::reset() {
  marked_ = last_scan_ = last_stacks_ = triggered_ = 0;
  cons_mark_ = 0;
}

int64_t Pacer::minimum() const { return percent_ < 0 ? 0 : clamped(kHeapMinimumBytes * (percent_ / 100.0)); }

int64_t Pacer::percent_goal() const {
  if (percent_ < 0) return kNoLimit;
  const double roots = static_cast<double>(marked_) + static_cast<double>(last_stacks_);
  return std::max(minimum(), clamped(static_cast<double>(marked_) + roots * percent_ / 100.0));
}

// A limit below what is live would make one cycle follow the other without an end: there is always room for a little.
int64_t Pacer::goal() const {
  const int64_t floor = marked_ + kGcReviseBytes;
  return std::max(floor, std::min(percent_goal(), limit_));
}

int64_t Pacer::trigger() const {
  const int64_t end = goal();
  if (end == kNoLimit) return kNoLimit;
  const auto way = static_cast<double>(end - marked_);
  const double runway = cons_mark_ * static_cast<double>(last_scan_ + last_stacks_);
  return marked_ + static_cast<int64_t>(std::clamp(way - runway, way * kLeastWay, way * kMostWay));
}

void Pacer::begin(int64_t heap_live) { triggered_ = heap_live; }

AssistRatio Pacer::revise(int64_t heap_live, int64_t scan_work) const {
  const int64_t end = goal();
  // What the last cycle scanned is what this one is expected to; more only shows as it is found.
  double expected = static_cast<double>(std::max<int64_t>(last_scan_ + last_stacks_, kGcReviseBytes));
  double room = end == kNoLimit ? static_cast<double>(heap_live) : static_cast<double>(end - heap_live);
  if (static_cast<double>(scan_work) > expected || room <= 0) {
    expected = static_cast<double>(std::max(heap_live, scan_work)) + static_cast<double>(last_stacks_);
    if (room <= 0) room = static_cast<double>(end) * kOvershoot - static_cast<double>(heap_live);
  }
  const double left = std::max(expected - static_cast<double>(scan_work), 1000.0);
  room = std::max(room, 1.0);
  return {left / room, room / left};
}

void Pacer::end(int64_t marked, int64_t heap_live, int64_t scan_work, int64_t stack_bytes) {
  const double allocated = static_cast<double>(std::max<int64_t>(heap_live - triggered_, 0));
  const double now = allocated / static_cast<double>(std::max<int64_t>(scan_work, 1));
  cons_mark_ = cons_mark_ == 0 ? now : kMemory * now + (1 - kMemory) * cons_mark_;
  marked_ = marked;
  last_stacks_ = stack_bytes;
  last_scan_ = std::max<int64_t>(scan_work - stack_bytes, 0);
}

}  // namespace reprise::rt
