#include "io/bad_records.h"

#include <utility>

namespace gristmill::io {
namespace {
thread_local const OnBadRecord* listening = nullptr;
}

BadRecordScope::BadRecordScope(OnBadRecord listener) : listener_(std::move(listener)), before_(listening) { listening = &listener_; }
BadRecordScope::~BadRecordScope() { listening = before_; }
const OnBadRecord* BadRecordScope::current() { return listening; }

}  // namespace gristmill::io
