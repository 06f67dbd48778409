// While the engine works for a thread, others may run Python.
//
// Once the interpreter ends, threads that are not its own are kept: to take the GIL then would unwind them through frames that cannot be
// unwound, and the process would abort. They stay in here for good, as daemon threads do that wait for the GIL.
#pragma once

#include <optional>

#include <nanobind/nanobind.h>

namespace gristmill::python {

class WithoutGil {
 public:
  WithoutGil();
  ~WithoutGil();
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  std::optional<nanobind::gil_scoped_release> released_;
};

template <typename F>
auto without_gil(F&& f) {
  WithoutGil without;
  return f();
}

// At the interpreter's end, by its main thread: what the engine does for other threads is cancelled (they ask the next function) and waited
// for, some seconds at most.
void leave();
bool interpreter_ends_elsewhere();

}  // namespace gristmill::python
