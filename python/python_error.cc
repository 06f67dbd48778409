// A status keeps everything a person needs; it becomes attributes of the exception here.
//
// Capsules own their struct until somebody imports it (release == nullptr afterwards).

#include "python_error.h"

#include <arrow/array.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <nanobind/stl/string.h>

#include <map>
#include <optional>
#include <utility>

#include "base/status.h"
#include "without_gil.h"

namespace gristmill::python {
namespace {

thread_local std::optional<nb::python_error> pending;

// Exceptions of users' functions by number, guarded by the GIL. Only the error that a query ends with is ever asked for; those of later
// rows go when there are many newer ones.
struct Failure {
  nb::object exception;
  std::string function;
};
constexpr std::string_view kFailureMark = "\x01python exception ";
constexpr size_t kMostFailures = 1024;
std::map<int64_t, Failure>& failures() {
  static auto& kept = *std::make_unique<std::map<int64_t, Failure>>().release();  // outlives the interpreter
  return kept;
}

[[noreturn]] void raise_failure(Failure failure, const base::ErrorDetail& detail) {
  std::string note = "in user function \"" + failure.function + "\"";
  if (!detail.column.empty()) note += ", column \"" + detail.column + "\"";
  if (detail.row >= 0) note += ", row " + std::to_string(detail.row);
  if (!detail.file.empty()) note += " of " + detail.file;
  failure.exception.attr("add_note")(note);
  PyErr_SetObject(failure.exception.type().ptr(), failure.exception.ptr());
  throw nb::python_error();
}

const char* exception_name(base::ErrorKind kind) {
  switch (kind) {
    case base::ErrorKind::kPlan: return "PlanError";
    case base::ErrorKind::kData: return "DataError";
    case base::ErrorKind::kIo: return "IoError";
    case base::ErrorKind::kMemory: return "MemoryLimitError";
    case base::ErrorKind::kCancelled: return "CancelledError";
    case base::ErrorKind::kTimeout: return "TimeoutError";
    case base::ErrorKind::kInternal: return "GristmillError";
  }
  return "GristmillError";
}

template <typename T>
nb::object own_capsule(T* c_struct, const char* name, void (*destroy)(PyObject*)) {
  return nb::steal(PyCapsule_New(c_struct, name, destroy));
}

template <typename T>
void destroy_as(PyObject* capsule, const char* name) {
  auto* p = static_cast<T*>(PyCapsule_GetPointer(capsule, name));
  if (p->release) p->release(p);
  std::unique_ptr<T> owned(p);
}

void destroy_stream(PyObject* c) { destroy_as<ArrowArrayStream>(c, "arrow_array_stream"); }
void destroy_schema(PyObject* c) { destroy_as<ArrowSchema>(c, "arrow_schema"); }
void destroy_array(PyObject* c) { destroy_as<ArrowArray>(c, "arrow_array"); }

template <typename T>
T* pointer(nb::handle capsule, const char* name) {
  auto* p = static_cast<T*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (!p) throw nb::python_error();
  return p;
}

}  // namespace

void raise(const arrow::Status& s) {
  if (pending) {
    nb::python_error e = std::move(*pending);
    pending.reset();
    throw e;
  }
  if (auto d = base::error_detail(s); d && d->value.starts_with(kFailureMark)) {
    auto found = failures().extract(std::stoll(d->value.substr(kFailureMark.size())));
    if (found) raise_failure(std::move(found.mapped()), *d);
  }
  nb::object type = nb::module_::import_("gristmill.errors").attr(exception_name(base::error_kind(s)));
  nb::object instance = type(base::describe_error(s));
  if (auto d = base::error_detail(s)) {
    auto set = [&](const char* name, const std::string& v) {
      instance.attr(name) = v.empty() ? nb::none() : nb::object(nb::str(v.c_str(), v.size()));
    };
    auto number = [&](const char* name, int64_t v) { instance.attr(name) = v < 0 ? nb::none() : nb::object(nb::int_(v)); };
    set("file", d->file);
    set("column", d->column);
    set("value", d->value);
    set("hint", d->hint);
    number("row", d->row);
    number("line", d->line);
  }
  PyErr_SetObject(type.ptr(), instance.ptr());
  throw nb::python_error();
}

arrow::Status keep_exception(nb::python_error& e) {
  if (!pending) pending.emplace(std::move(e));
  return base::cancelled_error("a Python exception is pending");
}

std::string keep_failure(nb::object exception, const std::string& function) {
  static int64_t last = 0;
  auto& kept = failures();
  if (kept.size() >= kMostFailures) kept.erase(kept.begin());
  kept.emplace(++last, Failure{std::move(exception), function});
  return std::string(kFailureMark) + std::to_string(last);
}

arrow::Status poll_signals() {
  if (interpreter_ends_elsewhere()) return base::cancelled_error("the interpreter ends");
  nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() == 0) return arrow::Status::OK();
  nb::python_error e;
  return keep_exception(e);
}

std::shared_ptr<arrow::Table> import_table(nb::handle capsule) {
  auto reader = unwrap(arrow::ImportRecordBatchReader(pointer<ArrowArrayStream>(capsule, "arrow_array_stream")));
  return unwrap(without_gil([&] { return reader->ToTable(); }));
}

nb::object export_table(const std::shared_ptr<arrow::Table>& table) {
  auto stream = std::make_unique<ArrowArrayStream>();
  check(arrow::ExportRecordBatchReader(std::make_shared<arrow::TableBatchReader>(table), stream.get()));
  return own_capsule(stream.release(), "arrow_array_stream", destroy_stream);
}

std::shared_ptr<arrow::DataType> import_type(nb::handle capsule) {
  return unwrap(arrow::ImportType(pointer<ArrowSchema>(capsule, "arrow_schema")));
}

nb::object export_schema(const arrow::Schema& schema) {
  auto c = std::make_unique<ArrowSchema>();
  check(arrow::ExportSchema(schema, c.get()));
  return own_capsule(c.release(), "arrow_schema", destroy_schema);
}

std::shared_ptr<arrow::Scalar> import_scalar(nb::handle capsules) {
  nb::tuple pair = nb::borrow<nb::tuple>(capsules);
  auto array = unwrap(arrow::ImportArray(pointer<ArrowArray>(pair[1], "arrow_array"), pointer<ArrowSchema>(pair[0], "arrow_schema")));
  return unwrap(array->GetScalar(0));
}

nb::object export_array(const arrow::Array& array) {
  auto c_schema = std::make_unique<ArrowSchema>();
  auto c_array = std::make_unique<ArrowArray>();
  check(arrow::ExportArray(array, c_array.get(), c_schema.get()));
  nb::object s = own_capsule(c_schema.release(), "arrow_schema", destroy_schema);
  nb::object a = own_capsule(c_array.release(), "arrow_array", destroy_array);
  return nb::make_tuple(s, a);
}

std::shared_ptr<arrow::Array> import_array(nb::handle capsules) {
  nb::tuple pair = nb::borrow<nb::tuple>(capsules);
  return unwrap(arrow::ImportArray(pointer<ArrowArray>(pair[1], "arrow_array"), pointer<ArrowSchema>(pair[0], "arrow_schema")));
}

nb::object export_batch(const arrow::RecordBatch& batch) {
  auto schema = std::make_unique<ArrowSchema>();
  auto array = std::make_unique<ArrowArray>();
  check(arrow::ExportRecordBatch(batch, array.get(), schema.get()));
  nb::object s = own_capsule(schema.release(), "arrow_schema", destroy_schema);
  nb::object a = own_capsule(array.release(), "arrow_array", destroy_array);
  return nb::make_tuple(s, a);
}

}  // namespace gristmill::python
