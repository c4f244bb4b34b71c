// What a campaign tells people: each failure as it is found, progress, the summary.
#pragma once

#include <string>

#include "tools/fuzz/campaign.h"

namespace reprise::fuzz::report {

// On stdout: what happened, its seed, its trace, and the commands that go on from there.
void failure(const Found& found, const Plan& plan);
std::string text_of(const Found& found, const Plan& plan);

// One line without its end.
std::string progress(const Novelty& novelty, size_t failures, double seconds);

// On stdout.
void summary(const Summary& summary, const Plan& plan);

}  // namespace reprise::fuzz::report
