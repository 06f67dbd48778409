// dlopen with the module's own symbols first, except under sanitizers, which refuse that.

#include "io/connect/load_module.h"

#include <dlfcn.h>

#include <filesystem>
#include <mutex>
#include <vector>

#include "base/settings.h"
#include "base/status.h"

namespace gristmill::io {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kOpenFlags = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kOpenFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

// The folder of the program or library that this code was linked into.
std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code failed;
  std::filesystem::path file = std::filesystem::canonical(info.dli_fname, failed);
  if (failed) file = std::filesystem::read_symlink("/proc/self/exe", failed);  // started by a bare name
  return failed ? std::string{} : file.parent_path().string();
}

std::vector<std::string> candidates(const std::string& file) {
  std::vector<std::string> out;
  if (const std::string told = base::setting_text("GRISTMILL_MODULES"); !told.empty()) out.push_back(told + "/" + file);
  if (const std::string own = own_folder(); !own.empty()) {
    out.push_back(own + "/" + file);
    out.push_back(own + "/../lib/gristmill/" + file);
  }
  out.push_back(file);
  return out;
}

}  // namespace

arrow::Result<void*> load_module(const std::string& file, const char* entry) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::string reason;
  for (const std::string& path : candidates(file)) {
    std::error_code failed;
    if (path != file && !std::filesystem::exists(path, failed)) continue;
    void* module = dlopen(path.c_str(), kOpenFlags);
    if (module == nullptr) {
      reason = dlerror();
      continue;
    }
    if (void* found = dlsym(module, entry)) return found;
    reason = path + " has no entry " + entry;
    dlclose(module);
  }
  return base::io_error("cannot load the module " + file + ": " + reason, {},
                        "it lies beside the program or the Python package; GRISTMILL_MODULES names another folder");
}

}  // namespace gristmill::io
