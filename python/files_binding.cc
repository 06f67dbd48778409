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
#include "without_gil.h"

namespace gristmill::python {
namespace {

using Scan = Frame (*)(const std::vector<std::string>&, const FileOptions&);

void bind_scan(nb::module_& m, const char* name, Scan scan) {
  m.def(name, [scan](const std::vector<std::string>& paths, const FileOptions& files) {
    WithoutGil without;
    return scan(paths, files);
  });
}

// `Format`: what the format alone has to say, a class of its own on the Python side.
template <typename Format>
void bind_sink(nb::module_& m, const char* name,
               arrow::Result<int64_t> (Frame::*sink)(const std::string&, ParallelOptions, Cancellation, const SinkOptions&, const Format&)
                   const) {
  m.def(name, [sink](const Frame& frame, const std::string& path, const nb::dict& options, const Cancellation& cancel,
                     const SinkOptions& files, const Format& format) {
    const ParallelOptions o = options_from(options);
    return unwrap([&] {
      WithoutGil without;
      return (frame.*sink)(path, o, cancel, files, format);
    }());
  });
}

}  // namespace

void bind_files(nb::module_& m) {
  nb::class_<FileOptions>(m, "FileOptions")
      .def(nb::init<>())
      .def_rw("storage", &FileOptions::storage)
      .def_rw("hive_partitioning", &FileOptions::hive_partitioning, nb::arg().none())
      .def_rw("hive_schema", &FileOptions::hive_schema)
      .def("set_schema_evolution", [](FileOptions& f, int mode) { f.schema_evolution = static_cast<SchemaEvolution>(mode); });
  nb::class_<SinkOptions>(m, "SinkOptions")
      .def(nb::init<>())
      .def_rw("storage", &SinkOptions::storage)
      .def_rw("partition_by", &SinkOptions::partition_by)
      .def_rw("max_rows_per_file", &SinkOptions::max_rows_per_file)
      .def_rw("max_bytes_per_file", &SinkOptions::max_bytes_per_file)
      .def("set_overwrite", [](SinkOptions& s, int mode) { s.overwrite = static_cast<Overwrite>(mode); });
  nb::class_<ParquetSinkOptions>(m, "ParquetSinkOptions")
      .def(nb::init<>())
      .def_rw("compression", &ParquetSinkOptions::compression)
      .def_rw("compression_level", &ParquetSinkOptions::compression_level, nb::arg().none())
      .def_rw("row_group_rows", &ParquetSinkOptions::row_group_rows)
      .def_rw("statistics", &ParquetSinkOptions::statistics)
      .def_rw("dictionary", &ParquetSinkOptions::dictionary)
      .def_rw("bloom_filters", &ParquetSinkOptions::bloom_filters);
  nb::class_<IpcSinkOptions>(m, "IpcSinkOptions")
      .def(nb::init<>())
      .def_rw("compression", &IpcSinkOptions::compression)
      .def_rw("stream", &IpcSinkOptions::stream, nb::arg().none())
      .def_rw("batch_rows", &IpcSinkOptions::batch_rows);
  bind_scan(m, "scan_parquet", scan_parquet);
  bind_scan(m, "scan_ipc", scan_ipc);
  bind_sink<ParquetSinkOptions>(m, "sink_parquet", &Frame::sink_parquet);
  bind_sink<IpcSinkOptions>(m, "sink_ipc", &Frame::sink_ipc);
  m.def("sink_csv", [](const Frame& frame, const std::string& path, const nb::dict& options, const Cancellation& cancel,
                       const SinkOptions& files, const nb::dict& text) {
    const ParallelOptions o = options_from(options);
    const CsvWriteOptions t = csv_write_options_from(text);
    return unwrap([&] {
      WithoutGil without;
      return frame.sink_csv(path, o, cancel, files, t);
    }());
  });
  m.def("sink_ndjson", [](const Frame& frame, const std::string& path, const nb::dict& options, const Cancellation& cancel,
                          const SinkOptions& files, const nb::dict& text) {
    const ParallelOptions o = options_from(options);
    const NdjsonWriteOptions t = ndjson_write_options_from(text);
    return unwrap([&] {
      WithoutGil without;
      return frame.sink_ndjson(path, o, cancel, files, t);
    }());
  });
}

}  // namespace gristmill::python
