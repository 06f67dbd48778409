// /proc/self/task/<thread>/stat has the times in clock ticks (usually 10 ms): good over a second, coarse below.

#include "job/live/process_use.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

namespace gristmill::job {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::vector<std::string> numbered_entries(const std::string& folder) {
  std::vector<std::string> out;
  struct Close {
    void operator()(DIR* d) const { closedir(d); }
  };
  const std::unique_ptr<DIR, Close> dir(opendir(folder.c_str()));
  if (!dir) return out;
  while (const dirent* entry = readdir(dir.get())) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') out.emplace_back(entry->d_name);
  }
  return out;
}

}  // namespace

bool parse_thread_stat(const std::string& line, int64_t* ticks, int* core) {
  // The name is in parentheses and may hold spaces and parentheses itself: fields are counted from the last one.
  const size_t end = line.rfind(')');
  if (end == std::string::npos) return false;
  std::istringstream fields(line.substr(end + 1));
  std::string field;
  *ticks = 0;
  *core = -1;
  for (int number = 3; fields >> field; ++number) {
    if (number == 14 || number == 15) *ticks += std::strtoll(field.c_str(), nullptr, 10);
    if (number == 39) *core = static_cast<int>(std::strtol(field.c_str(), nullptr, 10));
  }
  return *core >= 0;
}

ProcessUseReader::ProcessUseReader(std::string proc_self) : proc_self_(std::move(proc_self)) {
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &usable)) core_seconds_[cpu] = 0;
    }
  }
  read();
  for (auto& [cpu, seconds] : core_seconds_) seconds = 0;
}

ProcessUse ProcessUseReader::read() {
  static const double tick_seconds = 1.0 / static_cast<double>(std::max(sysconf(_SC_CLK_TCK), 1L));
  static const int64_t page = std::max(sysconf(_SC_PAGESIZE), 1L);
  std::map<int, int64_t> now;
  for (const std::string& thread : numbered_entries(proc_self_ + "/task")) {
    int64_t ticks = 0;
    int core = -1;
    if (!parse_thread_stat(first_line(proc_self_ + "/task/" + thread + "/stat"), &ticks, &core)) continue;
    const int id = std::atoi(thread.c_str());
    const auto before = thread_ticks_.find(id);
    const int64_t more = ticks - (before == thread_ticks_.end() ? 0 : before->second);
    if (more > 0) core_seconds_[core] += static_cast<double>(more) * tick_seconds;
    now[id] = ticks;
  }
  thread_ticks_ = std::move(now);
  ProcessUse out;
  out.core_seconds = core_seconds_;
  std::istringstream pages(first_line(proc_self_ + "/statm"));
  int64_t total = 0, resident = 0;
  if (pages >> total >> resident) out.resident_bytes = resident * page;
  return out;
}

}  // namespace gristmill::job
