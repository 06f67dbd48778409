// Files and folders of files as sinks, and the standard output. Whole or not there; what stood there before stays when a run fails.

#include <algorithm>
#include <filesystem>
#include <limits>

#include <arrow/table.h>

#include "base/status.h"
#include "frame/file_sinks.h"
#include "gristmill/store.h"
#include "io/storage_options.h"
#include "io/text_input.h"
#include "job/sinks/kinds.h"

namespace gristmill::job {
namespace {

using Keys = std::vector<Key>;
using MakeWriter = arrow::Result<frame::FileWriter> (*)(const Settings&, const Frame&, const std::string& path, const SinkOptions&);

Keys joined(Keys a, const Keys& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Keys file_keys() {
  return {
      {.name = "path", .help = "A file, or a folder when it ends with / or is to be cut into files; a path or a URL.", .required = true},
      {.name = "partition_by", .kind = ValueKind::kTexts, .help = "Columns that become folders key=value."},
      {.name = "max_rows_per_file", .kind = ValueKind::kInteger, .help = "Rows of one file of a folder.", .least = 1},
      {.name = "max_bytes_per_file", .kind = ValueKind::kBytes, .help = "Size of one file of a folder, before compression."},
      {.name = "overwrite",
       .help = "What becomes of what is there. A file is replaced unless told otherwise, a folder must be empty.",
       .choices = {"error", "replace", "append", "replace_partitions"}},
      {.name = "storage",
       .kind = ValueKind::kNames,
       .help = "Of stores: endpoint, region, access_key, secret_key, ...; else the environment's.",
       .secret = true}};
}

Key compression_key(const char* help, const char* fallback, std::vector<std::string> choices) {
  return {.name = "compression", .help = help, .choices = std::move(choices), .fallback = fallback};
}
Key level_key() { return {.name = "compression_level", .kind = ValueKind::kInteger, .help = "Of codecs that have levels."}; }

Keys csv_keys() {
  return {
      {.name = "header", .kind = ValueKind::kBoolean, .help = "Whether the first record names the columns.", .fallback = "true"},
      {.name = "separator", .help = "One character.", .fallback = ","},
      {.name = "null_value", .help = "What stands for NULL."},
      {.name = "float_precision", .kind = ValueKind::kInteger, .help = "Digits after the point; else as many as are needed.", .least = 0},
      {.name = "quotes", .help = "What is quoted.", .choices = {"necessary", "always", "non_numeric", "never"}, .fallback = "necessary"}};
}
Keys ndjson_keys() {
  return {{.name = "omit_nulls", .kind = ValueKind::kBoolean, .help = "Leave out fields that are NULL.", .fallback = "false"}};
}
Keys text_compression() {
  return {compression_key("By the name's ending unless said.", "infer", {"infer", "none", "gzip", "zstd", "lz4", "bz2", "snappy"}),
          level_key()};
}

std::optional<int> level_of(const Settings& s) {
  return s.has("compression_level") ? std::optional<int>(static_cast<int>(s.integer("compression_level"))) : std::nullopt;
}

arrow::Result<frame::FileWriter> parquet(const Settings& s, const Frame& rows, const std::string& path, const SinkOptions& files) {
  ParquetSinkOptions o;
  o.compression = s.text("compression", o.compression);
  o.compression_level = level_of(s);
  o.row_group_rows = s.integer("row_group_rows", o.row_group_rows);
  o.dictionary = s.boolean("dictionary", true);
  o.statistics = s.boolean("statistics", true);
  o.bloom_filters = s.texts("bloom_filters");
  return frame::parquet_writer(rows, path, files, o);
}

arrow::Result<frame::FileWriter> ipc(const Settings& s, const Frame& rows, const std::string& path, const SinkOptions& files) {
  IpcSinkOptions o;
  o.compression = s.text("compression", o.compression);
  o.batch_rows = s.integer("batch_rows", o.batch_rows);
  if (s.has("stream")) o.stream = s.boolean("stream");
  if (path == "-") o.stream = true;
  return frame::ipc_writer(rows, path, files, o);
}

arrow::Result<frame::FileWriter> csv(const Settings& s, const Frame& rows, const std::string& path, const SinkOptions& files) {
  CsvWriteOptions o;
  const std::string separator = s.text("separator", ",");
  o.separator = separator == "\\t" || separator == "tab" ? '\t' : separator.empty() ? ',' : separator[0];
  if (separator.size() != 1 && o.separator != '\t') return s.error_at("separator", "\"separator\" must be one character");
  o.include_header = s.boolean("header", true);
  o.null_value = s.text("null_value");
  if (s.has("float_precision")) o.float_precision = static_cast<int>(s.integer("float_precision"));
  const std::string quotes = s.text("quotes", "necessary");
  o.quote_style = quotes == "always"        ? QuoteStyle::kAlways
                  : quotes == "non_numeric" ? QuoteStyle::kNonNumeric
                  : quotes == "never"       ? QuoteStyle::kNever
                                            : QuoteStyle::kNecessary;
  o.compression = s.text("compression", "infer");
  o.compression_level = level_of(s);
  return frame::csv_writer(rows, path, files, o);
}

arrow::Result<frame::FileWriter> ndjson(const Settings& s, const Frame& rows, const std::string& path, const SinkOptions& files) {
  NdjsonWriteOptions o;
  o.omit_nulls = s.boolean("omit_nulls");
  o.compression = s.text("compression", "infer");
  o.compression_level = level_of(s);
  return frame::ndjson_writer(rows, path, files, o);
}

SinkOptions sink_options(const Settings& s) {
  SinkOptions o;
  for (const auto& [k, v] : s.names("storage")) o.storage[k] = v;
  o.partition_by = s.texts("partition_by");
  o.max_rows_per_file = s.integer("max_rows_per_file");
  o.max_bytes_per_file = s.bytes("max_bytes_per_file");
  const std::string overwrite = s.text("overwrite");
  if (overwrite == "error") o.overwrite = Overwrite::kError;
  if (overwrite == "replace") o.overwrite = Overwrite::kReplace;
  if (overwrite == "append") o.overwrite = Overwrite::kAppend;
  if (overwrite == "replace_partitions") o.overwrite = Overwrite::kReplacePartitions;
  return o;
}

class FileSink final : public Sink {
 public:
  FileSink(std::string format, const Settings& settings, std::string path, MakeWriter make)
      : format_(std::move(format)), settings_(settings), path_(std::move(path)), files_(sink_options(settings)), make_(make) {
    if (path_.ends_with('/') && !is_folder()) files_.max_rows_per_file = std::numeric_limits<int64_t>::max();
  }

  std::string name() const override { return format_ + " " + (path_ == "-" ? "stdout" : path_); }
  std::string folder() const override { return is_folder() ? path_ : ""; }

  arrow::Result<Frame> prepare(const Frame& rows) override {
    auto writer = make_(settings_, rows, path_, files_);
    if (!writer.ok()) return settings_.at(writer.status());
    writer_ = std::move(*writer);
    return Frame(writer_.plan);
  }

  arrow::Result<std::shared_ptr<exec::OrderedSink>> open(const std::shared_ptr<arrow::Schema>&, const SinkContext& context) override {
    make_directory();
    return writer_.open(context.memory);
  }

  // A folder with a file an epoch; the standard output as rows come.
  arrow::Result<stream::EpochSinkPtr> open_epochs() override {
    if (path_ == "-") return rows_to_stdout();
    static constexpr const char* kWhole[] = {
        "partition_by", "max_rows_per_file", "max_bytes_per_file", "overwrite", "compression_level", "row_group_rows",
        "dictionary",   "statistics",        "bloom_filters",      "stream",    "batch_rows",        "header",
        "separator",    "null_value",        "float_precision",    "quotes",    "omit_nulls"};
    for (const char* key : kWhole) {
      const auto known = std::any_of(settings_.key().keys.begin(), settings_.key().keys.end(), [&](const Key& k) { return k.name == key; });
      if (known && settings_.has(key)) {
        return settings_.error_at(key,
                                  "\"" + std::string(key) + "\" is not for jobs over a source that may not end: they write a file an epoch",
                                  "leave it out; path, compression and storage can be said");
      }
    }
    if (!path_.ends_with('/')) {
      return settings_.error_at("path", "over a source that may not end the path is a folder, in which a file appears for each epoch",
                                "path: " + path_ + "/");
    }
    const std::string compression = settings_.text("compression");
    stream::EpochFilesOptions options;
    options.format = format_ == "parquet" ? stream::EpochFormat::kParquet
                     : format_ == "csv"   ? stream::EpochFormat::kCsv
                     : format_ == "ipc"   ? stream::EpochFormat::kIpc
                                          : stream::EpochFormat::kNdjson;
    options.compression = compression == "infer" ? "" : compression;
    ARROW_ASSIGN_OR_RAISE(options.storage, io::storage_options(files_.storage));
    return stream::epoch_files(path_, options);
  }

  arrow::Status add_to_existing() override {
    if (path_ == "-") return arrow::Status::OK();
    if (is_folder()) {
      files_.overwrite = Overwrite::kAppend;
      return arrow::Status::OK();
    }
    const size_t name = path_.rfind('/') == std::string::npos ? 0 : path_.rfind('/') + 1;
    const size_t dot = std::min(path_.find('.', name), path_.size());
    for (int n = 1;; ++n) {
      const std::string free = path_.substr(0, dot) + ".retried-" + std::to_string(n) + path_.substr(dot);
      ARROW_ASSIGN_OR_RAISE(const bool there, exists(free, files_.storage));
      if (there) continue;
      path_ = free;
      return arrow::Status::OK();
    }
  }

 private:
  bool is_folder() const { return !files_.partition_by.empty() || files_.max_rows_per_file != 0 || files_.max_bytes_per_file != 0; }

  stream::EpochSinkPtr rows_to_stdout() {
    return stream::at_least_once(name(),
                                 [this](const std::shared_ptr<arrow::Schema>& schema,
                                        const exec::QueryContext& context) -> arrow::Result<std::shared_ptr<exec::OrderedSink>> {
                                   ARROW_ASSIGN_OR_RAISE(auto nothing, arrow::Table::MakeEmpty(schema));
                                   ARROW_RETURN_NOT_OK(prepare(from_arrow(std::move(nothing))).status());
                                   return writer_.open(context.memory);
                                 });
  }

  // The folder around a local file or folder is made when it is not there; whoever opens the file says what is wrong.
  void make_directory() const {
    if (path_ == "-" || path_.find("://") != std::string::npos) return;
    std::string path = path_;
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    std::error_code ignored;
    if (!parent.empty()) std::filesystem::create_directories(parent, ignored);
  }

  const std::string format_;
  const Settings settings_;
  std::string path_;
  SinkOptions files_;
  const MakeWriter make_;
  frame::FileWriter writer_;
};

template <MakeWriter make>
arrow::Result<std::unique_ptr<Sink>> make_files(const Settings& s) {
  return std::make_unique<FileSink>(s.key().name, s, s.text("path"), make);
}

}  // namespace

SinkKind parquet_sink_kind() {
  return {{.name = "parquet",
           .kind = ValueKind::kSection,
           .help = "A Parquet file, or a folder of them.",
           .keys = joined(
               file_keys(),
               {compression_key("Of the pages.", "zstd", {"none", "snappy", "gzip", "brotli", "zstd", "lz4"}),
                level_key(),
                {.name = "row_group_rows", .kind = ValueKind::kInteger, .help = "Rows of a row group.", .least = 1, .fallback = "122880"},
                {.name = "dictionary", .kind = ValueKind::kBoolean, .help = "Encode by dictionary where it pays.", .fallback = "true"},
                {.name = "statistics", .kind = ValueKind::kBoolean, .help = "Least and greatest values.", .fallback = "true"},
                {.name = "bloom_filters", .kind = ValueKind::kTexts, .help = "Columns that get a Bloom filter."}})},
          "parquet: {path: \"out/\", partition_by: [day]}",
          make_files<parquet>};
}

SinkKind csv_sink_kind() {
  return {{.name = "csv",
           .kind = ValueKind::kSection,
           .help = "A CSV file, or a folder of them.",
           .keys = joined(joined(file_keys(), csv_keys()), text_compression())},
          "csv: {path: out.csv.gz}",
          make_files<csv>};
}

SinkKind ndjson_sink_kind() {
  return {{.name = "ndjson",
           .kind = ValueKind::kSection,
           .help = "A file with one JSON object a line, or a folder of them.",
           .keys = joined(joined(file_keys(), ndjson_keys()), text_compression())},
          "ndjson: {path: out.ndjson}",
          make_files<ndjson>};
}

SinkKind ipc_sink_kind() {
  return {
      {.name = "ipc",
       .kind = ValueKind::kSection,
       .help = "An Arrow IPC file, or a folder of them.",
       .keys = joined(file_keys(),
                      {compression_key("Of the buffers.", "lz4", {"none", "lz4", "zstd"}),
                       {.name = "stream", .kind = ValueKind::kBoolean, .help = "The streaming format; else by the ending .arrows."},
                       {.name = "batch_rows", .kind = ValueKind::kInteger, .help = "Rows of a batch.", .least = 1, .fallback = "65536"}})},
      "ipc: {path: out.arrow}",
      make_files<ipc>};
}

SinkKind stdout_sink_kind() {
  Keys keys{{.name = "format", .help = "What goes out.", .required = true, .choices = {"csv", "ndjson", "ipc"}}};
  keys = joined(joined(std::move(keys), csv_keys()), ndjson_keys());
  return {{.name = "stdout", .kind = ValueKind::kSection, .help = "The standard output; the keys of its format.", .keys = std::move(keys)},
          "stdout: {format: ndjson}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Sink>> {
            const std::string format = s.text("format");
            return std::make_unique<FileSink>(format, s, "-", format == "csv" ? csv : format == "ndjson" ? ndjson : ipc);
          }};
}

}  // namespace gristmill::job
