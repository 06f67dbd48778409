// Who holds the lock on the file `lock` in a folder, owns it: the system lets go of it when a process ends, however it ends.

#include "work_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace ocp {

namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "gristmill-ocp-";

std::string parent_folder() {
  for (const char* name : {"GRISTMILL_SPILL_DIR", "TMPDIR"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "/var/tmp";
}

int open_lock(const fs::path& folder, int flags) { return ::open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC | flags, 0600); }

void remove_left_behind(const std::string& parent) {
  std::error_code failed;
  for (fs::directory_iterator at(parent, failed), end; !failed && at != end; at.increment(failed)) {
    if (!at->path().filename().string().starts_with(kPrefix)) continue;
    const int lock = open_lock(at->path(), 0);
    if (lock < 0) continue;
    std::error_code ignored;
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0) fs::remove_all(at->path(), ignored);
    ::close(lock);
  }
}

}  // namespace

arrow::Result<std::unique_ptr<WorkFolder>> WorkFolder::make() {
  const std::string parent = parent_folder();
  remove_left_behind(parent);
  std::string path = parent + "/" + kPrefix + "XXXXXX";
  if (::mkdtemp(path.data()) == nullptr)
    return arrow::Status::IOError("cannot make a folder in ", parent, ": ", std::strerror(errno),
                                  "; GRISTMILL_SPILL_DIR names another place");
  const int lock = open_lock(path, O_CREAT);
  if (lock < 0 || ::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
    return arrow::Status::IOError("cannot lock ", path, ": ", std::strerror(errno));
  }
  return std::make_unique<WorkFolder>(std::move(path), lock);
}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(lock_);
}

}  // namespace ocp
