// Frames over files and into files: gristmill._engine.scan_parquet and the like.

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "gristmill/frame.h"
#include "options_from.h"
#include "python_error.h"
#include "text_options.h"

namespace gristmill::python {
namespace {

using Scan = Frame (*)(const std::string&, const FileOptions&);
using Sink = arrow::Result<int64_t> (Frame::*)(const std::string&, ParallelOptions, Cancellation, const SinkOptions&) const;

void bind_scan(nb::module_& m, const char* name, Scan scan) {
  m.def(name, [scan](const std::string& path, const FileOptions& files) {
    nb::gil_scoped_release release;
    return scan(path, files);
  });
}

void bind_sink(nb::module_& m, const char* name, Sink sink) {
  m.def(name,
        [sink](const Frame& frame, const std::string& path, const nb::dict& options, const Cancellation& cancel, const SinkOptions& files) {
          const ParallelOptions o = options_from(options);
          return unwrap([&] {
            nb::gil_scoped_release release;
            return (frame.*sink)(path, o, cancel, files);
          }());
        });
}

}  // namespace

void bind_files(nb::module_& m) {
  nb::class_<FileOptions>(m, "FileOptions")
      .def(nb::init<>())
      .def_rw("storage", &FileOptions::storage)
      .def_rw("hive_partitioning", &FileOptions::hive_partitioning, nb::arg().none())
      .def_rw("hive_schema", &FileOptions::hive_schema);
  nb::class_<SinkOptions>(m, "SinkOptions").def(nb::init<>()).def_rw("storage", &SinkOptions::storage);
  bind_scan(m, "scan_parquet", scan_parquet);
  bind_scan(m, "scan_ipc", scan_ipc);
  bind_sink(m, "sink_parquet", &Frame::sink_parquet);
  bind_sink(m, "sink_ipc", &Frame::sink_ipc);
  m.def("sink_csv", [](const Frame& frame, const std::string& path, const nb::dict& options, const Cancellation& cancel,
                       const SinkOptions& files, const nb::dict& text) {
    const ParallelOptions o = options_from(options);
    const CsvWriteOptions t = csv_write_options_from(text);
    return unwrap([&] {
      nb::gil_scoped_release release;
      return frame.sink_csv(path, o, cancel, files, t);
    }());
  });
  m.def("sink_ndjson", [](const Frame& frame, const std::string& path, const nb::dict& options, const Cancellation& cancel,
                          const SinkOptions& files, const nb::dict& text) {
    const ParallelOptions o = options_from(options);
    const NdjsonWriteOptions t = ndjson_write_options_from(text);
    return unwrap([&] {
      nb::gil_scoped_release release;
      return frame.sink_ndjson(path, o, cancel, files, t);
    }());
  });
}

}  // namespace gristmill::python
