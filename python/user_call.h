// Python objects of the user's that engine threads hold and call: let go of on any thread, and what they raise as a status.
#pragma once

#include <string>

#include <arrow/status.h>
#include <nanobind/nanobind.h>

namespace gristmill::python {

namespace nb = nanobind;

// May be let go of on any thread, with or without the GIL, also after the interpreter has ended.
class HeldObject {
 public:
  explicit HeldObject(nb::object object) : object_(object.release()) {}
  HeldObject(const HeldObject&) = delete;
  HeldObject& operator=(const HeldObject&) = delete;
  ~HeldObject() {
    if (!Py_IsInitialized()) return;  // the interpreter took the object with it
    nb::gil_scoped_acquire gil;
    object_.dec_ref();
  }
  nb::handle get() const { return object_; }

 private:
  nb::handle object_;
};

// What the user's `who` raised: kept, to be raised as it is where the run ends. KeyboardInterrupt and SystemExit stop the run. Holds the
// GIL.
arrow::Status failed_call(nb::python_error& e, const std::string& who);

}  // namespace gristmill::python
