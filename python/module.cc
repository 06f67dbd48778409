// The extension module: one class a file, errors in python_error.cc.

#include <arrow/compute/initialize.h>
#include <nanobind/nanobind.h>

#include "base/cpu.h"
#include "base/notice.h"
#include "frame/query_runner.h"
#include "python_error.h"
#include "without_gil.h"

namespace gristmill::python {
void bind_connect(nanobind::module_& m);
void bind_expr(nanobind::module_& m);
void bind_frame(nanobind::module_& m);
void bind_files(nanobind::module_& m);
void bind_job(nanobind::module_& m);
void bind_session(nanobind::module_& m);
void bind_stream(nanobind::module_& m);
void bind_stream_time(nanobind::module_& m);
void bind_stream_keyed(nanobind::module_& m);
void bind_stream_connect(nanobind::module_& m);
void bind_udf(nanobind::module_& m);
}  // namespace gristmill::python

namespace {

// To where programs look for such things: logging, which prints what nobody else takes.
void log_notice(const std::string& sentence) {
  namespace nb = nanobind;
  if (!Py_IsInitialized()) return;
  nb::gil_scoped_acquire gil;
  try {
    nb::module_::import_("logging").attr("getLogger")("gristmill").attr("warning")("%s", sentence.c_str());
  } catch (nb::python_error& e) {
    e.discard_as_unraisable("gristmill's logger");
  }
}

}  // namespace

NB_MODULE(_engine, m) {
  using namespace gristmill;
  // A function of the user's holds its module, which holds the function: a cycle that Python's collector cannot see through.
  nanobind::set_leak_warnings(false);
  python::check(arrow::compute::Initialize());
  python::bind_expr(m);
  python::bind_frame(m);
  python::bind_connect(m);
  python::bind_files(m);
  python::bind_job(m);
  python::bind_session(m);
  python::bind_stream(m);
  python::bind_stream_time(m);
  python::bind_stream_keyed(m);
  python::bind_stream_connect(m);
  python::bind_udf(m);
  QueryRunner::set_interrupt(python::poll_signals);
  base::hear_notices(log_notice);
  m.attr("__version__") = "0.1.0";
  m.def("leave", python::leave);
  m.def("simd_level", [] { return base::simd_level_name(base::active_simd_level()).data(); });
}
