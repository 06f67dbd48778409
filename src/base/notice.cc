#include "base/notice.h"

#include <cstdio>
#include <mutex>
#include <utility>

namespace gristmill::base {
namespace {

struct Listener {
  std::mutex mutex;
  std::function<void(const std::string&)> hear;
};

// Never destroyed: a thread may have something to say at the end.
Listener& listener() {
  static auto* const one = new Listener;
  return *one;
}

}  // namespace

void notice(const std::string& sentence) {
  std::function<void(const std::string&)> hear;
  {
    std::lock_guard lock(listener().mutex);
    hear = listener().hear;
  }
  if (hear) {
    hear(sentence);
  } else {
    std::fprintf(stderr, "gristmill: %s\n", sentence.c_str());
  }
}

void hear_notices(std::function<void(const std::string&)> hear) {
  std::lock_guard lock(listener().mutex);
  listener().hear = std::move(hear);
}

}  // namespace gristmill::base
