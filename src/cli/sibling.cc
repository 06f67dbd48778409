// Beside the program first, so that an installation's parts find each other whatever PATH says.

#include "cli/sibling.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace gristmill::cli {
namespace {

constexpr const char* kPrefix = "gristmill-";

std::filesystem::path own_folder() {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? std::filesystem::path{} : self.parent_path();
}

bool runnable(const std::filesystem::path& file) {
  std::error_code failed;
  return std::filesystem::is_regular_file(file, failed) && access(file.c_str(), X_OK) == 0;
}

bool is_name(const std::string& word) {
  return !word.empty() && word[0] != '-' && word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

}  // namespace

bool run_sibling(const std::string& name, char** arguments) {
  if (!is_name(name)) return false;
  std::vector<std::filesystem::path> folders = {own_folder()};
  const char* path = std::getenv("PATH");
  std::istringstream all(path ? path : "");
  for (std::string folder; std::getline(all, folder, ':');) {
    if (!folder.empty()) folders.emplace_back(folder);
  }
  for (const auto& folder : folders) {
    if (folder.empty()) continue;
    const auto file = folder / (kPrefix + name);
    if (runnable(file)) execv(file.c_str(), arguments);
  }
  return false;
}

std::vector<std::string> siblings() {
  std::vector<std::string> out;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(own_folder(), failed), end; !failed && at != end; at.increment(failed)) {
    const std::string file = at->path().filename().string();
    if (!file.starts_with(kPrefix)) continue;
    const std::string name = file.substr(std::string(kPrefix).size());
    if (is_name(name) && runnable(at->path())) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace gristmill::cli
