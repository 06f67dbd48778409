// A container often sees its own group as the root of the mount while the membership file names the path
// outside: a folder that is not there is skipped and the walk goes on upwards, to the mount itself.

#include "base/cgroup.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace gristmill::base {
namespace {

// v1 writes "no limit" as a number near 2^63.
constexpr int64_t kAbsurdBytes = int64_t{1} << 60;

struct Membership {
  std::string controllers;  // empty: version 2
  std::string path;
};

std::vector<Membership> memberships(const std::string& file) {
  std::vector<Membership> all;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    all.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
  }
  return all;
}

bool has_controller(const std::string& list, std::string_view name) {
  std::istringstream in(list);
  for (std::string one; std::getline(in, one, ',');) {
    if (one == name) return true;
  }
  return false;
}

std::vector<std::string> words_of(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::optional<int64_t> number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The smallest of what `read(folder)` finds from base + path up to base.
template <typename T, typename Read>
std::optional<T> smallest_upwards(const std::string& base, std::string path, Read read) {
  std::optional<T> smallest;
  while (true) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    if (const std::optional<T> value = read(base + path)) smallest = smallest ? std::min(*smallest, *value) : *value;
    if (path.empty()) return smallest;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

std::optional<int> cores(int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<int>(std::clamp<int64_t>((quota + period - 1) / period, 1, 1 << 20));
}

std::optional<int> cores_v2(const std::string& folder) {
  const auto words = words_of(folder + "/cpu.max");
  if (words.size() != 2) return std::nullopt;
  const auto quota = number(words[0]), period = number(words[1]);
  return quota && period ? cores(*quota, *period) : std::nullopt;
}

std::optional<int64_t> one_number(const std::string& file) {
  const auto words = words_of(file);
  return words.size() == 1 ? number(words[0]) : std::nullopt;
}

std::optional<int> cores_v1(const std::string& folder) {
  const auto quota = one_number(folder + "/cpu.cfs_quota_us"), period = one_number(folder + "/cpu.cfs_period_us");
  return quota && period ? cores(*quota, *period) : std::nullopt;
}

std::optional<int64_t> sane_bytes(std::optional<int64_t> bytes) {
  return bytes && *bytes > 0 && *bytes < kAbsurdBytes ? bytes : std::nullopt;
}

std::optional<int64_t> memory_v2(const std::string& folder) {
  const auto most = sane_bytes(one_number(folder + "/memory.max"));
  const auto high = sane_bytes(one_number(folder + "/memory.high"));  // beyond it the kernel only slows us down
  return most && high ? std::min(most, high) : most ? most : high;
}

std::optional<int64_t> memory_v1(const std::string& folder) { return sane_bytes(one_number(folder + "/memory.limit_in_bytes")); }

template <typename T>
std::optional<T> limit_of(const CgroupFiles& files, std::string_view controller, std::optional<T> (*v2)(const std::string&),
                          std::optional<T> (*v1)(const std::string&)) {
  std::optional<T> smallest;
  for (const Membership& m : memberships(files.membership)) {
    std::optional<T> value;
    if (m.controllers.empty()) {
      value = smallest_upwards<T>(files.mount, m.path, v2);
    } else if (has_controller(m.controllers, controller)) {
      value = smallest_upwards<T>(files.mount + "/" + m.controllers, m.path, v1);
      if (!value) value = smallest_upwards<T>(files.mount + "/" + std::string(controller), m.path, v1);
    }
    if (value) smallest = smallest ? std::min(*smallest, *value) : *value;
  }
  return smallest;
}

}  // namespace

std::optional<int> cgroup_cores(const CgroupFiles& files) { return limit_of<int>(files, "cpu", cores_v2, cores_v1); }

std::optional<int64_t> cgroup_memory(const CgroupFiles& files) { return limit_of<int64_t>(files, "memory", memory_v2, memory_v1); }

}  // namespace gristmill::base
