// Which of the two it is, for as long as it is.
#include "runtime/sched/stays.h"

#include "runtime/sched/here.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/thread_block.h"

namespace reprise::rt {

StaysOnThread::StaysOnThread() : gp_(goroutine_here()) {
  if (gp_ == nullptr) return;
  if (seam_active) {
    if (stay_in_thread_block(gp_)) where_ = Where::in_block;
  } else if (stay_on_m(gp_)) {
    where_ = Where::on_m;
  }
}

StaysOnThread::~StaysOnThread() {
  if (where_ == Where::in_block) leave_thread_block(gp_);
  if (where_ == Where::on_m) leave_m(gp_);
}

}  // namespace reprise::rt
