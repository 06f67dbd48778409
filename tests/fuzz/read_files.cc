// Reads the files that are named on standard input, each in a child of its own, and says on standard output what became of it:
//
//   PATH <tab> fine                        a result, or an error of this engine's
//   PATH <tab> exit 99 | signal 11 | ...   what it says on standard error lies in PATH.err
//
// The parent never starts a thread, so a child is a fork of a program that has been loaded: under a sanitizer that is fifty times
// cheaper than a program started anew. Time and resident memory of a child are bounded.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "gristmill/frame.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLongest{10};
constexpr int64_t kMostBytes = int64_t{2048} << 20;

int read_file(const std::string& path) {
  using gristmill::Frame;
  const std::map<std::string, std::function<Frame()>> scans = {
      {".csv", [&] { return gristmill::scan_csv(path); }},
      {".ndjson", [&] { return gristmill::scan_ndjson(path); }},
      {".arrow", [&] { return gristmill::scan_ipc(path); }},
      {".parquet", [&] { return gristmill::scan_parquet(path); }},
  };
  const std::string name = path.substr(path.rfind('/') + 1);
  for (const auto& [ending, scan] : scans) {
    if (name.find(ending) == std::string::npos) continue;
    for (const int workers : {1, 2}) {
      gristmill::ParallelOptions options;
      options.num_workers = workers;
      options.min_parallel_rows = 0;
      options.memory_limit = int64_t{256} << 20;
      (void)scan().collect(options).status().ToString();
      (void)scan().select({gristmill::count()}).collect(options).status().ToString();
    }
    return 0;
  }
  std::cerr << path << ": no format has this ending\n";
  return 2;
}

int64_t resident_bytes(pid_t child) {
  std::ifstream statm("/proc/" + std::to_string(child) + "/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::string await(pid_t child) {
  const auto began = Clock::now();
  for (auto pause = std::chrono::microseconds(500);; pause = std::min(pause * 2, std::chrono::microseconds(20'000))) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
      return WEXITSTATUS(status) == 0 ? "fine" : "exit " + std::to_string(WEXITSTATUS(status));
    }
    const bool late = Clock::now() - began > kLongest, large = resident_bytes(child) > kMostBytes;
    if (late || large) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return late ? "no answer within 10 s" : "more than 2048 MiB resident";
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

int main() {
  for (std::string path; std::getline(std::cin, path);) {
    const pid_t child = fork();
    if (child < 0) {
      std::perror("fork");
      return 1;
    }
    if (child == 0) {
      const int log = open((path + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
      if (log < 0 || dup2(log, STDERR_FILENO) < 0) std::_Exit(2);
      std::exit(read_file(path));
    }
    std::cout << path << '\t' << await(child) << std::endl;
  }
  return 0;
}
