// A crash, as a call of the program's.
#include <reprise/sim.h>

#include "runtime/sched/proc.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"

namespace reprise::sim {

bool active() { return world_open; }

void crash() {
  if (!world_open) rt::gopanic("sim::crash without a simulated world");
  rt::seam_point(seam::OpKind::io_other, {});
  for_each_file([](const FileRef& file) {
    if (DiskFile* disk = disk_file(file)) disk->die();
  });
  crash_tree();
}

}  // namespace reprise::sim
