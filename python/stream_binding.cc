// gristmill._engine.Stream: streams of the C++ API, with operators and sources written in Python.
//
// The GIL is released around every run and taken for each call of the user's code, with no lock of an operator held. What the user's code
// raises stays a Python object and is raised as it is where the run ends.

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <utility>

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/config.h>

#include "base/status.h"
#include "gristmill/stream.h"
#include "python_error.h"
#include "stream/bind.h"
#include "stream/reader.h"
#include "stream/steps.h"
#include "user_call.h"
#include "without_gil.h"

namespace gristmill::python {
namespace {

// (schema, array) capsules.
RecordBatchPtr import_batch(nb::handle capsules) {
  nb::tuple pair = nb::borrow<nb::tuple>(capsules);
  auto* schema = static_cast<ArrowSchema*>(PyCapsule_GetPointer(pair[0].ptr(), "arrow_schema"));
  auto* array = static_cast<ArrowArray*>(PyCapsule_GetPointer(pair[1].ptr(), "arrow_array"));
  if (schema == nullptr || array == nullptr) throw nb::python_error();
  return unwrap(arrow::ImportRecordBatch(array, schema));
}

std::shared_ptr<arrow::Schema> import_schema(nb::handle capsule) {
  auto* schema = static_cast<ArrowSchema*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_schema"));
  if (schema == nullptr) throw nb::python_error();
  return unwrap(arrow::ImportSchema(schema));
}

std::shared_ptr<arrow::Schema> schema_or_none(nb::handle capsule) { return capsule.is_none() ? nullptr : import_schema(capsule); }

using Metadata = std::map<std::string, std::string>;

class PythonOperator final : public StreamOperator {
 public:
  PythonOperator(std::string name, std::shared_ptr<arrow::Schema> gives, nb::object run, nb::object save, nb::object load, bool stateful,
                 std::vector<std::string> keys, int hint)
      : name_(std::move(name)),
        gives_(std::move(gives)),
        run_(std::move(run)),
        save_(std::move(save)),
        load_(std::move(load)),
        stateful_(stateful),
        keys_(std::move(keys)),
        hint_(hint) {}
  std::string name() const override { return name_; }
  arrow::Result<std::shared_ptr<arrow::Schema>> output_schema(const std::shared_ptr<arrow::Schema>& input) const override {
    return gives_ ? gives_ : input;
  }
  bool is_stateful() const override { return stateful_; }
  std::vector<std::string> partition_keys() const override { return keys_; }
  int parallelism_hint() const override { return hint_; }
  arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr) override { return base::internal_error("Python operators take morsels"); }

  arrow::Result<std::string> save_state() override {
    nb::gil_scoped_acquire gil;
    try {
      const nb::object made = save_.get()();
      const auto bytes = nb::borrow<nb::bytes>(made);
      return std::string(bytes.c_str(), bytes.size());
    } catch (nb::python_error& e) {
      return failed_call(e, name_);
    }
  }
  arrow::Status load_state(const std::string& state) override {
    nb::gil_scoped_acquire gil;
    try {
      load_.get()(nb::bytes(state.data(), state.size()));
      return arrow::Status::OK();
    } catch (nb::python_error& e) {
      return failed_call(e, name_);
    }
  }

  arrow::Result<std::vector<Morsel>> process(Morsel morsel) override {
    nb::gil_scoped_acquire gil;
    try {
      nb::object made = run_.get()(export_batch(*morsel.batch), morsel.number, morsel.partition, morsel.first_row,
                                   nb::cast(morsel.metadata), morsel.processed);
      std::vector<Morsel> out;
      for (nb::handle one : nb::borrow<nb::list>(made)) {
        nb::tuple parts = nb::borrow<nb::tuple>(one);
        Morsel m;
        m.batch = import_batch(parts[0]);
        m.number = morsel.number;
        m.partition = morsel.partition;
        m.first_row = morsel.first_row;
        m.numa_node = morsel.numa_node;
        m.metadata = nb::cast<Metadata>(parts[1]);
        m.processed = nb::cast<bool>(parts[2]);
        out.push_back(std::move(m));
      }
      return out;
    } catch (nb::python_error& e) {
      return failed_call(e, name_);
    } catch (const nb::cast_error&) {
      return base::data_error("operator \"" + name_ + "\" gave metadata that is not texts by texts");
    }
  }

 private:
  const std::string name_;
  const std::shared_ptr<arrow::Schema> gives_;
  const HeldObject run_, save_, load_;
  const bool stateful_;
  const std::vector<std::string> keys_;
  const int hint_;
};

// `again()` gives a function that gives capsules, or None at the end.
Stream from_function(nb::handle schema, nb::object again, const std::string& name) {
  auto kept = std::make_shared<HeldObject>(std::move(again));
  const auto make = [kept, name]() -> arrow::Result<Stream::NextBatch> {
    nb::gil_scoped_acquire gil;
    try {
      auto next = std::make_shared<HeldObject>(nb::borrow(kept->get()()));
      return Stream::NextBatch([next, name]() -> arrow::Result<RecordBatchPtr> {
        nb::gil_scoped_acquire inner;
        try {
          nb::object capsules = next->get()();
          return capsules.is_none() ? RecordBatchPtr() : import_batch(capsules);
        } catch (nb::python_error& e) {
          return failed_call(e, name);
        }
      });
    } catch (nb::python_error& e) {
      return failed_call(e, name);
    }
  };
  return Stream::from_function(import_schema(schema), make, name);
}

// What pyarrow itself finds inside one of its batches. It stands on the one libarrow of the process that the engine stands on, so the
// batch is taken as it is: by the C interface each column is described, wrapped and released (100 batches of three columns: 0.2 ms).
using UnwrapBatch = std::shared_ptr<arrow::RecordBatch> (*)(PyObject*);

UnwrapBatch unwrap_batch() {
  static const UnwrapBatch found = []() -> UnwrapBatch {
    constexpr const char* kName = "pyarrow_unwrap_batch";
    constexpr const char* kSignature = "std::shared_ptr< arrow::RecordBatch>  (PyObject *)";
    const std::string ours = std::to_string(ARROW_VERSION_MAJOR) + "." + std::to_string(ARROW_VERSION_MINOR) + ".";
    try {
      if (!nb::cast<std::string>(nb::module_::import_("pyarrow").attr("cpp_version")).starts_with(ours)) return nullptr;
      const nb::dict functions = nb::cast<nb::dict>(nb::module_::import_("pyarrow.lib").attr("__pyx_capi__"));
      if (!functions.contains(kName)) return nullptr;
      const nb::object capsule = functions[kName];
      if (PyCapsule_IsValid(capsule.ptr(), kSignature) == 0) return nullptr;
      return reinterpret_cast<UnwrapBatch>(PyCapsule_GetPointer(capsule.ptr(), kSignature));
    } catch (const std::exception&) {
      PyErr_Clear();
      return nullptr;  // another pyarrow: the C interface does
    }
  }();
  return found;
}

RecordBatchPtr taken_batch(nb::handle batch) {
  if (const UnwrapBatch unwrap = unwrap_batch()) {
    if (RecordBatchPtr taken = unwrap(batch.ptr())) return taken;
    PyErr_Clear();
  }
  return import_batch(batch.attr("__arrow_c_array__")());
}

// `all()` gives batches of pyarrow, or pairs of capsules where they differ in their schemas.
Stream from_list(nb::handle schema, nb::object all, const std::string& name) {
  auto kept = std::make_shared<HeldObject>(std::move(all));
  const auto batches = [kept, name]() -> arrow::Result<std::vector<RecordBatchPtr>> {
    nb::gil_scoped_acquire gil;
    try {
      const nb::object made = kept->get()();
      std::vector<RecordBatchPtr> out;
      for (nb::handle one : nb::borrow<nb::list>(made)) {
        out.push_back(nb::isinstance<nb::tuple>(one) ? import_batch(one) : taken_batch(one));
      }
      return out;
    } catch (nb::python_error& e) {
      return failed_call(e, name);
    }
  };
  return stream::from_list(import_schema(schema), batches, name);
}

std::vector<SortKey> sort_keys(const std::vector<std::tuple<Expr, bool, bool>>& keys) {
  std::vector<SortKey> out;
  for (const auto& [e, descending, nulls_first] : keys) out.push_back({e, descending, nulls_first});
  return out;
}

Join join_kind(const std::string& how) {
  if (how == "inner") return Join::kInner;
  if (how == "left") return Join::kLeft;
  if (how == "semi") return Join::kSemi;
  if (how == "right") return Join::kRight;
  if (how == "full") return Join::kFull;
  return Join::kAnti;  // the Python side has checked the name
}

JoinOptions join_options(std::array<std::vector<std::string>, 3> on, const std::string& how, const std::string& suffix, bool nulls_equal) {
  return JoinOptions{std::move(on[0]), std::move(on[1]), std::move(on[2]), join_kind(how), suffix, nulls_equal, {}};
}

Stream reduce(const Stream& s, nb::object function, nb::handle schema) {
  auto kept = std::make_shared<HeldObject>(std::move(function));
  const auto call = [kept](RecordBatchPtr state, RecordBatchPtr batch) -> arrow::Result<RecordBatchPtr> {
    nb::gil_scoped_acquire gil;
    try {
      nb::object before = state ? export_batch(*state) : nb::none();
      return import_batch(kept->get()(before, export_batch(*batch)));
    } catch (nb::python_error& e) {
      return failed_call(e, "reduce");
    }
  };
  return s.reduce(call, import_schema(schema));
}

// The end of a run may have to wait for the user's code, which needs the GIL.
struct Reading {
  std::optional<StreamReader> reader;

  explicit Reading(StreamReader r) : reader(std::move(r)) {}
  Reading(Reading&& o) noexcept : reader(std::exchange(o.reader, std::nullopt)) {}
  Reading& operator=(Reading&&) = delete;
  ~Reading() { close(); }
  void close() {
    if (!reader) return;
    WithoutGil without;
    reader.reset();
  }
};

void bind_running(nb::class_<Stream>& c) {
  c.def("collect", [](const Stream& s, const Cancellation& cancel) { return unwrap(without_gil([&] { return s.collect(cancel); })); })
      .def("count", [](const Stream& s, const Cancellation& cancel) { return unwrap(without_gil([&] { return s.count(cancel); })); })
      .def("take", [](const Stream& s, int64_t rows,
                      const Cancellation& cancel) { return unwrap(without_gil([&] { return s.take(rows, cancel); })); })
      .def("batches",
           [](const Stream& s, const Cancellation& cancel) { return Reading(unwrap(without_gil([&] { return s.batches(cancel); }))); })
      // None: the stream has more to it than a frame (it may not end, or has operators with state).
      .def("frame", [](const Stream& s) -> std::optional<Frame> {
        const auto& state = s.state();
        check(state.status());
        if (!stream::is_frame(*(*state)->plan) || (*state)->checkpoint) return std::nullopt;
        return unwrap(without_gil([&] { return stream::finite_frame(**state, Cancellation()); })).frame;
      });
}

}  // namespace

void bind_stream(nb::module_& m) {
  nb::class_<Reading>(m, "StreamReader")
      .def("next",
           [](Reading& r) -> nb::object {
             if (!r.reader) return nb::none();
             RecordBatchPtr batch = unwrap(without_gil([&] { return r.reader->next(); }));
             return batch ? export_batch(*batch) : nb::none();
           })
      .def("stop",
           [](Reading& r) {
             if (r.reader) without_gil([&] { r.reader->stop(); });
           })
      .def("stats", [](const Reading& r) { return r.reader ? without_gil([&] { return r.reader->stats(); }) : StreamStats("{}"); })
      .def("close", &Reading::close);

  nb::class_<Stream> c(m, "Stream");
  c.def_static("of_frame", [](const Frame& f) { return Stream(f); })
      .def_static("replay", [](const Frame& f, int64_t rows) { return Stream::replay(f, rows); })
      .def_static("from_function", &from_function)
      .def_static("from_list", &from_list)
      .def("filter", &Stream::filter)
      .def("select", &Stream::select)
      .def("with_columns", &Stream::with_columns)
      .def("drop", &Stream::drop)
      .def("rename", &Stream::rename)
      .def("explode", &Stream::explode)
      .def("union_with", &Stream::union_with)
      .def(
          "apply",
          [](const Stream& s, const std::string& name, nb::handle schema, nb::object run, nb::object save, nb::object load, bool stateful,
             std::vector<std::string> keys, int hint) {
            return s.apply(std::make_shared<PythonOperator>(name, schema_or_none(schema), std::move(run), std::move(save), std::move(load),
                                                            stateful, std::move(keys), hint));
          },
          nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg())
      .def("join_table",
           [](const Stream& s, const Frame& table, std::array<std::vector<std::string>, 3> on, const std::string& how,
              const std::string& suffix, bool nulls_equal) { return s.join(table, join_options(std::move(on), how, suffix, nulls_equal)); })
      .def("join_stream",
           [](const Stream& s, const Stream& other, std::array<std::vector<std::string>, 3> on, const std::string& how,
              const std::string& suffix, bool nulls_equal) { return s.join(other, join_options(std::move(on), how, suffix, nulls_equal)); })
      .def(
          "join_asof",
          [](const Stream& s, const Frame& right, const std::array<std::string, 3>& on, const std::array<std::vector<std::string>, 3>& by,
             int strategy, std::optional<Expr> tolerance, bool allow_exact, const std::string& suffix) {
            return s.join_asof(right, AsofOptions{on[0], on[1], on[2], by[0], by[1], by[2], static_cast<AsofStrategy>(strategy),
                                                  std::move(tolerance), allow_exact, suffix});
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg())
      .def("distinct", &Stream::distinct)
      .def("limit", &Stream::limit)
      .def("reduce", &reduce)
      .def("aggregate", &Stream::aggregate)
      .def("group", [](const Stream& s, std::vector<Expr> keys,
                       std::vector<Expr> aggregates) { return s.group_by(std::move(keys)).aggregate(std::move(aggregates)); })
      .def("sort", [](const Stream& s, const std::vector<std::tuple<Expr, bool, bool>>& keys) { return s.sort(sort_keys(keys)); })
      .def("top",
           [](const Stream& s, int64_t n, const std::vector<std::tuple<Expr, bool, bool>>& keys) { return s.top(n, sort_keys(keys)); })
      .def("parallel", [](const Stream& s, int workers, double kb, int64_t threshold, bool ordered,
                          bool enabled) { return s.parallel({workers, kb, threshold, ordered, enabled}); })
      .def("memory_limit", &Stream::memory_limit)
      .def("checkpoint", [](const Stream& s, const std::string& path, double seconds) { return s.checkpoint({path, seconds}); })
      .def("named", &Stream::named)
      .def("check", [](const Stream& s) { check(s.state().status()); })
      .def("schema", [](const Stream& s) { return export_schema(*unwrap(s.schema())); })
      .def("explain", [](const Stream& s) { return unwrap(s.explain()); })
      .def("endless", &Stream::endless);
  bind_running(c);
}

}  // namespace gristmill::python
