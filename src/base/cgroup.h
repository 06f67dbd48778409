// The limits that control groups set, version 2 and 1, read from files under a root (so that tests can bring their own).
//
// A limit holds for the group and everything below, so the smallest on the way up counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gristmill::base {

struct CgroupFiles {
  std::string mount = "/sys/fs/cgroup";
  std::string membership = "/proc/self/cgroup";
};

// Whole cores, rounded up, >= 1; nothing when there is no quota.
std::optional<int> cgroup_cores(const CgroupFiles& files = {});
// Bytes; nothing when there is no limit.
std::optional<int64_t> cgroup_memory(const CgroupFiles& files = {});

}  // namespace gristmill::base
