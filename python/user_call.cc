#include "user_call.h"

#include <utility>

#include <nanobind/stl/string.h>

#include "base/status.h"
#include "python_error.h"

namespace gristmill::python {

arrow::Status failed_call(nb::python_error& e, const std::string& who) {
  nb::object exception = nb::borrow(e.value());
  std::string text = "an exception without text";
  try {
    text = nb::cast<std::string>(nb::str(exception));
  } catch (nb::python_error&) {
    PyErr_Clear();
  }
  const bool stops = PyObject_IsInstance(exception.ptr(), PyExc_Exception) == 0;
  const std::string mark = keep_failure(std::move(exception), who);
  const arrow::Status status =
      stops ? base::cancelled_error("\"" + who + "\" was stopped") : base::data_error("\"" + who + "\" failed: " + text);
  base::ErrorDetail detail = *base::error_detail(status);
  detail.value = mark;
  return base::with_detail(status, std::move(detail));
}

}  // namespace gristmill::python
