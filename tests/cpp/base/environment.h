// A GRISTMILL_* setting for the length of a scope.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace gristmill::base {

class ScopedSetting {
 public:
  ScopedSetting(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* old = std::getenv(name_.c_str())) old_ = old;
    setenv(name_.c_str(), value.c_str(), 1);
  }
  ~ScopedSetting() {
    if (old_) {
      setenv(name_.c_str(), old_->c_str(), 1);
    } else {
      unsetenv(name_.c_str());
    }
  }
  ScopedSetting(const ScopedSetting&) = delete;
  ScopedSetting& operator=(const ScopedSetting&) = delete;

 private:
  std::string name_;
  std::optional<std::string> old_;
};

}  // namespace gristmill::base
