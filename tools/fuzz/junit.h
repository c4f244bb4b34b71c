// A campaign as JUnit XML, for continuous integration that shows it: a test case a failure, or one that passed.
#pragma once

#include <string>

#include "tools/fuzz/campaign.h"

namespace reprise::fuzz {

// False and *why if the file cannot be written.
// False, and *why, if that is certain to fail: what is said before a campaign, not after. Leaves no file.
bool can_write_junit(const std::string& path, std::string* why);
bool write_junit(const std::string& path, const Summary& summary, const Plan& plan, std::string* why);

}  // namespace reprise::fuzz
