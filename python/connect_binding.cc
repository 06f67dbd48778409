// gristmill._engine.PostgresTransaction: one transaction of gristmill/connect.h; the GIL is released while the server works.

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "gristmill/connect.h"
#include "python_error.h"
#include "without_gil.h"

namespace gristmill::python {
namespace {

using Parameters = std::vector<std::optional<std::string>>;

}  // namespace

void bind_connect(nb::module_& m) {
  nb::class_<PostgresTransaction>(m, "PostgresTransaction")
      .def_static("open",
                  [](const std::string& connection) {
                    return unwrap(without_gil([&] { return PostgresTransaction::open(connection, poll_signals); }));
                  })
      .def("execute",
           [](PostgresTransaction& t, const std::string& sql, const Parameters& parameters) {
             PostgresRows r = unwrap(without_gil([&] { return t.execute(sql, parameters); }));
             return std::make_tuple(r.affected, std::move(r.columns), std::move(r.rows));
           })
      .def("lock_number", [](PostgresTransaction& t, int64_t key) { check(without_gil([&] { return t.lock(key); })); })
      .def("lock_name", [](PostgresTransaction& t, const std::string& name) { check(without_gil([&] { return t.lock(name); })); })
      .def("try_lock_number", [](PostgresTransaction& t, int64_t key) { return unwrap(without_gil([&] { return t.try_lock(key); })); })
      .def("try_lock_name",
           [](PostgresTransaction& t, const std::string& name) { return unwrap(without_gil([&] { return t.try_lock(name); })); })
      .def("copy",
           [](PostgresTransaction& t, const std::string& table, nb::handle stream) {
             auto* c = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(stream.ptr(), "arrow_array_stream"));
             if (c == nullptr) throw nb::python_error();
             auto reader = unwrap(arrow::ImportRecordBatchReader(c));
             return unwrap(without_gil([&] { return t.copy(table, *reader); }));
           })
      .def("commit", [](PostgresTransaction& t) { check(without_gil([&] { return t.commit(); })); })
      .def("rollback", [](PostgresTransaction& t) { check(without_gil([&] { return t.rollback(); })); })
      .def("retry_safe", &PostgresTransaction::retry_safe)
      .def("server_version", &PostgresTransaction::server_version);
}

}  // namespace gristmill::python
