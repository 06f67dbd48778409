// Between arrow::Status and Python's exceptions, and between Arrow's C interface capsules and our pointers.
#pragma once

#include <memory>

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>
#include <nanobind/nanobind.h>

namespace gristmill::python {

namespace nb = nanobind;

// Throws the Python exception that `s` stands for: gristmill.PlanError, DataError, IoError, MemoryLimitError,
// KeyboardInterrupt, or the user's own exception when one is pending.
[[noreturn]] void raise(const arrow::Status& s);
inline void check(const arrow::Status& s) {
  if (!s.ok()) raise(s);
}
template <typename T>
T unwrap(arrow::Result<T> r) {
  if (!r.ok()) raise(r.status());
  return std::move(r).ValueUnsafe();
}

// Keeps a Python exception raised while the engine was running, for raise() to throw; returns the status to unwind with.
arrow::Status keep_exception(nb::python_error& e);
// Keeps the exception of a user's function and gives the text by which raise() finds it again in an error's value. Holds the GIL.
std::string keep_failure(nb::object exception, const std::string& function);
// Ctrl-C: looks at pending signals; called on the thread that waits for a query, without the GIL. An error as well once the interpreter
// ends and the thread is not the one that ends it.
arrow::Status poll_signals();

std::shared_ptr<arrow::Table> import_table(nb::handle stream_capsule);
nb::object export_table(const std::shared_ptr<arrow::Table>& table);  // arrow_array_stream capsule
std::shared_ptr<arrow::DataType> import_type(nb::handle schema_capsule);
nb::object export_schema(const arrow::Schema& schema);                    // arrow_schema capsule
std::shared_ptr<arrow::Scalar> import_scalar(nb::handle array_capsules);  // (schema, array) of one row
nb::object export_array(const arrow::Array& array);                       // (schema, array) capsules
std::shared_ptr<arrow::Array> import_array(nb::handle array_capsules);
nb::object export_batch(const arrow::RecordBatch& batch);  // (schema, array) capsules

}  // namespace gristmill::python
