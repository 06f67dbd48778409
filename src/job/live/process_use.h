// What this process takes of the machine: processor time by core and resident memory, as the kernel counts them.
//
// A thread's time goes to the core it ran on last; over a second that is where it ran. Threads that ended between two looks lose
// what they did after the first. Where /proc is not there, nothing is reported.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gristmill::job {

struct ProcessUse {
  std::map<int, double> core_seconds;  // since the reader was made; cores this process may use, and others on which it was seen
  int64_t resident_bytes = 0;
};

class ProcessUseReader {
 public:
  explicit ProcessUseReader(std::string proc_self = "/proc/self");
  ProcessUse read();

 private:
  const std::string proc_self_;
  std::map<int, double> core_seconds_;
  std::map<int, int64_t> thread_ticks_;  // by thread, at the last look
};

// The fields of a thread's stat line that count: ticks in user and kernel mode, the core. False when the line is not one.
bool parse_thread_stat(const std::string& line, int64_t* ticks, int* core);

}  // namespace gristmill::job
