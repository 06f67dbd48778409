// gristmill._engine.Frame: lazy frames of the C++ API; the GIL is released around every run.

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "gristmill/frame.h"
#include "options_from.h"
#include "python_error.h"
#include "text_options.h"
#include "without_gil.h"

namespace gristmill::python {
ParallelOptions options_from(const nb::dict& d) {
  ParallelOptions o;
  for (auto [key, value] : d) {
    const std::string k = nb::cast<std::string>(key);
    if (k == "num_workers")
      o.num_workers = nb::cast<int>(value);
    else if (k == "chunk_rows")
      o.chunk_rows = nb::cast<int64_t>(value);
    else if (k == "chunk_bytes")
      o.chunk_bytes = nb::cast<int64_t>(value);
    else if (k == "batch_rows")
      o.batch_rows = nb::cast<int64_t>(value);
    else if (k == "min_parallel_rows")
      o.min_parallel_rows = nb::cast<int64_t>(value);
    else if (k == "memory_limit")
      o.memory_limit = nb::cast<int64_t>(value);
    else if (k == "pin_workers")
      o.pin_workers = nb::cast<bool>(value);
    else if (k == "ordered")
      o.ordered = nb::cast<bool>(value);
    else if (k == "exact_float_sums")
      o.exact_float_sums = nb::cast<bool>(value);
    else if (k == "strategy")
      o.strategy = static_cast<Strategy>(nb::cast<int>(value));
    else if (k == "timeout_ms")
      o.timeout = std::chrono::milliseconds(nb::cast<int64_t>(value));
    else if (k == "progress")
      o.progress = nb::cast<Progress>(value);
  }
  return o;
}

namespace {

Join join_kind(const std::string& how) {
  if (how == "inner") return Join::kInner;
  if (how == "left") return Join::kLeft;
  if (how == "semi") return Join::kSemi;
  if (how == "right") return Join::kRight;
  if (how == "full") return Join::kFull;
  return Join::kAnti;  // the Python side has checked the name
}

}  // namespace

void bind_reshape(nb::module_& m, nb::class_<Frame>& frame);  // reshape_binding.cc

void bind_frame(nb::module_& m) {
  nb::class_<Cancellation>(m, "Cancellation")
      .def(nb::init<>())
      .def("cancel", &Cancellation::cancel)
      .def("cancelled", &Cancellation::cancelled);

  nb::class_<Progress>(m, "Progress")
      .def(nb::init<>())
      .def("rows", &Progress::rows)
      .def("steps", &Progress::steps)
      .def("morsels", &Progress::morsels);

  nb::class_<Frame> frame(m, "Frame");
  frame.def("filter", &Frame::filter)
      .def("select", &Frame::select)
      .def("with_columns", &Frame::with_columns)
      .def("drop", &Frame::drop)
      .def("rename", &Frame::rename)
      .def("aggregate", [](const Frame& f, std::vector<Expr> keys,
                           std::vector<Expr> aggregates) { return f.group_by(std::move(keys)).agg(std::move(aggregates)); })
      .def(
          "join",
          [](const Frame& f, const Frame& right, std::vector<std::string> on, std::vector<std::string> left_on,
             std::vector<std::string> right_on, const std::string& how, const std::string& suffix, bool nulls_equal,
             std::optional<Expr> where) {
            return f.join(right, JoinOptions{std::move(on), std::move(left_on), std::move(right_on), join_kind(how), suffix, nulls_equal,
                                             std::move(where)});
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("cross_join", &Frame::cross_join)
      .def(
          "join_asof",
          [](const Frame& f, const Frame& right, const std::array<std::string, 3>& on, const std::array<std::vector<std::string>, 3>& by,
             int strategy, std::optional<Expr> tolerance, bool allow_exact, const std::string& suffix) {
            return f.join_asof(right, AsofOptions{on[0], on[1], on[2], by[0], by[1], by[2], static_cast<AsofStrategy>(strategy),
                                                  std::move(tolerance), allow_exact, suffix});
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg())
      .def("sort",
           [](const Frame& f, const std::vector<std::tuple<Expr, bool, bool>>& keys) {
             std::vector<SortKey> k;
             for (const auto& [e, descending, nulls_first] : keys) k.push_back({e, descending, nulls_first});
             return f.sort(std::move(k));
           })
      .def("slice", &Frame::slice, nb::arg("offset"), nb::arg("length").none())
      .def("explode", &Frame::explode)
      .def("union_with", &Frame::union_with)
      .def("schema", [](const Frame& f) { return export_schema(*unwrap(f.schema())); })
      .def("explain", [](const Frame& f, bool optimized) { return unwrap(f.explain(optimized)); })
      .def("explain_analyze",
           [](const Frame& f, const nb::dict& options) {
             ParallelOptions o = options_from(options);
             return unwrap(without_gil([&] { return f.explain_analyze(o); }));
           })
      .def("serialize", [](const Frame& f) { return unwrap(f.serialize()); })
      .def("collect",
           [](const Frame& f, const nb::dict& options, const Cancellation& cancel) {
             ParallelOptions o = options_from(options);
             Table t = unwrap(without_gil([&] { return f.collect(o, cancel); }));
             return t;
           })
      .def("collect_batches",
           [](const Frame& f, nb::callable each, const nb::dict& options, const Cancellation& cancel) {
             ParallelOptions o = options_from(options);
             nb::object failure;  // the callback runs on a worker; its exception belongs to the caller
             auto call = [&](std::shared_ptr<arrow::RecordBatch> batch) -> arrow::Status {
               nb::gil_scoped_acquire gil;
               try {
                 each(export_batch(*batch));
                 return arrow::Status::OK();
               } catch (nb::python_error& e) {
                 failure = nb::borrow(e.value());
                 return arrow::Status::UnknownError("the callback failed");
               }
             };
             arrow::Status s = without_gil([&] { return f.collect_batches(call, o, cancel); });
             if (failure.is_valid()) {
               PyErr_SetObject(failure.type().ptr(), failure.ptr());
               throw nb::python_error();
             }
             check(s);
           })
      .def("sink_postgres", [](const Frame& f, const std::string& connection, const std::string& table, int mode,
                               const std::vector<std::string>& key, const nb::dict& options, const Cancellation& cancel) {
        ParallelOptions o = options_from(options);
        const PostgresSinkOptions postgres{static_cast<PostgresMode>(mode), key};
        return unwrap(without_gil([&] { return f.sink_postgres(connection, table, postgres, o, cancel); }));
      });

  m.def("scan_csv", [](const std::vector<std::string>& paths, const nb::dict& options) {
    const CsvOptions o = csv_options_from(options);
    return without_gil([&] { return scan_csv(paths, o); });
  });
  m.def("scan_ndjson", [](const std::vector<std::string>& paths, const nb::dict& options) {
    const NdjsonOptions o = ndjson_options_from(options);
    return without_gil([&] { return scan_ndjson(paths, o); });
  });
  m.def("scan_postgres", [](const std::string& connection, const std::string& query, const std::string& partition_on, int partitions,
                            const std::string& unbounded_numeric) {
    return without_gil([&] { return scan_postgres(connection, query, {partition_on, partitions, unbounded_numeric}); });
  });
  m.def("from_arrow", [](nb::handle stream) { return from_arrow(import_table(stream)); });
  m.def("deserialize", [](const std::string& text) { return Frame::deserialize(text); });
  bind_reshape(m, frame);
  nb::class_<Table>(m, "Table")
      .def("arrow", [](const Table& t) { return export_table(unwrap(without_gil([&] { return t.arrow(); }))); })
      .def("schema", [](const Table& t) { return export_schema(*t.schema()); })
      .def("num_rows", &Table::num_rows)
      .def("statistics", &Table::statistics)
      .def("text", &Table::to_string)
      .def("lazy", &Table::lazy);
  m.def("table", [](nb::handle stream) { return Table(import_table(stream)); });
}

}  // namespace gristmill::python
