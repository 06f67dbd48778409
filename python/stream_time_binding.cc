// Event time of streams for Python: the functions of stream_time.h, as functions of the module that take and give engine streams.

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <arrow/record_batch.h>

#include "base/status.h"
#include "gristmill/stream_time.h"
#include "python_error.h"
#include "user_call.h"

namespace gristmill::python {
namespace {

using Keys = std::vector<Expr>;

// A Python function that may be let go of on any thread.
std::shared_ptr<nb::object> held(nb::object function) {
  return {new nb::object(std::move(function)), [](nb::object* object) {
            if (!Py_IsInitialized()) {
              object->release();  // the interpreter took it with it
            } else {
              nb::gil_scoped_acquire gil;
              object->reset();
            }
            delete object;
          }};
}

// A function that makes the frame of a table, whenever it is to be read.
std::function<arrow::Result<Frame>()> frames_of(nb::object function) {
  return [kept = held(std::move(function))]() -> arrow::Result<Frame> {
    nb::gil_scoped_acquire gil;
    try {
      return nb::cast<Frame>((*kept)());
    } catch (nb::python_error& e) {
      return failed_call(e, "join_refreshing");
    } catch (const nb::cast_error&) {
      return base::data_error("the function of join_refreshing gave no frame");
    }
  };
}

std::function<arrow::Status(RecordBatchPtr)> late_rows(nb::object function) {
  if (function.is_none()) return {};
  return [kept = held(std::move(function))](RecordBatchPtr batch) -> arrow::Status {
    nb::gil_scoped_acquire gil;
    try {
      (*kept)(export_batch(*batch));
      return arrow::Status::OK();
    } catch (nb::python_error& e) {
      return failed_call(e, "late");
    }
  };
}

Windows windows_of(const std::string& kind, const std::array<std::string, 4>& lengths, int64_t rows) {
  const auto& [size, slide, offset, gap] = lengths;
  if (kind == "tumbling") return Windows::tumbling(size, offset);
  if (kind == "hopping") return Windows::hopping(size, slide, offset);
  if (kind == "session") return Windows::session(gap);
  return Windows::count(rows);
}

StreamKeys keys_of(const std::array<std::vector<std::string>, 3>& on, const std::string& suffix) { return {on[0], on[1], on[2], suffix}; }

void bind_series(nb::module_& m) {
  m.def("stream_rolling", [](const Stream& s, const std::string& column, const std::string& function, Keys keys, const std::string& as,
                             const std::string& ttl, int64_t rows, const std::string& length, int64_t periods, int ddof) {
    RollingOptions options;
    options.keys = std::move(keys);
    options.as = as;
    options.ttl = ttl;
    options.rows = rows;
    options.length = length;
    options.min_periods = periods;
    options.ddof = ddof;
    return rolling(s, column, function, options);
  });
  m.def("stream_ewma", [](const Stream& s, const std::string& column, double alpha, Keys keys, const std::string& as,
                          const std::string& ttl, bool adjust) { return ewma(s, column, alpha, {std::move(keys), as, ttl}, adjust); });
  m.def("stream_series",
        [](const Stream& s, const std::string& step, const std::string& column, Keys keys, const std::string& as, const std::string& ttl) {
          const SeriesOptions options{std::move(keys), as, ttl};
          return step == "log_returns" ? log_returns(s, column, options) : time_difference(s, options);
        });
  m.def("stream_time_bucket", [](const Stream& s, const std::string& column, const std::string& every, const std::string& offset,
                                 const std::string& as) { return time_bucket(s, every, {column, offset, as}); });
  m.def("stream_fill", [](const Stream& s, const std::string& column, const std::string& how, Keys keys, const std::string& ttl) {
    return fill(s, column, how, {std::move(keys), {}, ttl});
  });
}

}  // namespace

void bind_stream_time(nb::module_& m) {
  m.def("stream_with_watermark", [](const Stream& s, const std::string& column, const std::string& delay, const std::string& idle_after) {
    return with_watermark(s, column, {delay, idle_after});
  });
  m.def(
      "stream_window",
      [](const Stream& s, Keys keys, const std::string& kind, const std::array<std::string, 4>& lengths, int64_t rows, Keys aggregates,
         const std::string& lateness, const std::string& ttl, nb::object late) {
        return window(s, std::move(keys), windows_of(kind, lengths, rows), std::move(aggregates),
                      {lateness, ttl, late_rows(std::move(late))});
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
  m.def("stream_resample", [](const Stream& s, Keys keys, const std::string& every, Keys aggregates, const std::string& how) {
    return resample(s, std::move(keys), every, std::move(aggregates), how);
  });
  m.def("stream_interval_join", [](const Stream& left, const Stream& right, const std::array<std::vector<std::string>, 3>& on,
                                   const std::string& suffix, const std::string& lower, const std::string& upper,
                                   bool keep_left, bool keep_right) {
    return interval_join(left, right, keys_of(on, suffix), lower, upper, keep_left, keep_right);
  });
  m.def("stream_asof_join",
        [](const Stream& left, const Stream& right, const std::array<std::vector<std::string>, 3>& on, const std::string& suffix,
           const std::string& tolerance, bool allow_exact) { return asof_join(left, right, keys_of(on, suffix), tolerance, allow_exact); });
  m.def("stream_join_refreshing", [](const Stream& s, nb::object table, const std::array<std::vector<std::string>, 3>& on,
                                     const std::string& suffix, const std::string& refresh, bool left) {
    return join_refreshing(s, frames_of(std::move(table)), keys_of(on, suffix), refresh, left);
  });
  bind_series(m);
}

}  // namespace gristmill::python
