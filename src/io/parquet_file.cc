// Footers: what may be read, as which types, or why not.

#include "io/parquet_file.h"

#include <cstring>
#include <new>
#include <set>

#include <arrow/extension_type.h>
#include <arrow/io/interfaces.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include "base/status.h"

namespace gristmill::io {
namespace {

constexpr int64_t kStreamBuffer = 256 * 1024;
constexpr int64_t kRemoteBuffer = 1024 * 1024;        // a request costs more there
constexpr int64_t kMostGroupRows = int64_t{1} << 33;  // beyond it is a wrong byte, not a file
constexpr int64_t kSmallestFile = 12;                 // magic, footer length, magic

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// The library tells the same faults with many texts; these are the ones a user meets.
arrow::Status check_magic(arrow::io::RandomAccessFile& in, const std::string& path, int64_t size) {
  const auto refuse = [&](const std::string& why) { return base::io_error("not a Parquet file: " + path + " (" + why + ")", path); };
  if (size == 0) return refuse("it is empty");
  if (size < kSmallestFile) return refuse("expected magic \"PAR1\"");
  char head[4], tail[8];
  ARROW_RETURN_NOT_OK(in.ReadAt(0, 4, head));
  ARROW_RETURN_NOT_OK(in.ReadAt(size - 8, 8, tail));
  const bool begins = std::memcmp(head, "PAR1", 4) == 0, ends = std::memcmp(tail + 4, "PAR1", 4) == 0;
  if (std::memcmp(tail + 4, "PARE", 4) == 0)
    return base::io_error("encrypted Parquet file: " + path, path, "encrypted files cannot be read");
  if (begins && !ends) return base::io_error("truncated Parquet file: " + path + " (magic \"PAR1\" is missing at its end)", path);
  if (!begins || !ends) return refuse("expected magic \"PAR1\"");
  uint32_t footer = 0;
  std::memcpy(&footer, tail, 4);
  if (int64_t{footer} + kSmallestFile > size) {
    return base::io_error(
        "damaged Parquet file: " + path + " (footer of " + std::to_string(footer) + " bytes in a file of " + std::to_string(size) + ")",
        path);
  }
  return arrow::Status::OK();
}

// The type a user sees: how a writer happened to encode its values in memory is not part of it.
column::TypePtr border_type(const column::TypePtr& t) {
  switch (t->id()) {
    case arrow::Type::DICTIONARY: return border_type(static_cast<const arrow::DictionaryType&>(*t).value_type());
    case arrow::Type::EXTENSION: return border_type(static_cast<const arrow::ExtensionType&>(*t).storage_type());
    default: return t;
  }
}

void collect_leaves(const parquet::arrow::SchemaField& f, std::vector<int>& leaves) {
  if (f.is_leaf()) leaves.push_back(f.column_index);
  for (const auto& child : f.children) collect_leaves(child, leaves);
}

// Whether the physical type holds the values of `inside` as they are. `natural` is what the file says without the
// writer's own notes about its types: where the two differ, values need converting (seconds stored as milliseconds).
bool is_direct(const parquet::ColumnDescriptor& stored, const arrow::DataType& natural, const arrow::DataType& inside) {
  using column::Physical;
  const auto physical = column::physical_of(inside);
  if (!physical.ok()) return false;
  bool same = natural.Equals(inside);
  if (natural.id() == arrow::Type::TIMESTAMP && inside.id() == arrow::Type::TIMESTAMP) {
    same = static_cast<const arrow::TimestampType&>(natural).unit() == static_cast<const arrow::TimestampType&>(inside).unit();
  }
  if (natural.id() == arrow::Type::INT64 && inside.id() == arrow::Type::DURATION) same = true;
  if (!same) return false;
  const bool decimal = *physical == Physical::kInt128;
  switch (stored.physical_type()) {
    case parquet::Type::BOOLEAN: return *physical == Physical::kBool;
    case parquet::Type::INT32:
      return decimal || (*physical >= Physical::kInt8 && *physical <= Physical::kUInt32 && *physical != Physical::kInt64);
    case parquet::Type::INT64: return decimal || *physical == Physical::kInt64 || *physical == Physical::kUInt64;
    case parquet::Type::FLOAT: return *physical == Physical::kFloat32;
    case parquet::Type::DOUBLE: return *physical == Physical::kFloat64;
    case parquet::Type::FIXED_LEN_BYTE_ARRAY: return decimal && stored.type_length() >= 1 && stored.type_length() <= 16;
    case parquet::Type::BYTE_ARRAY: return *physical == Physical::kView;
    default: return false;
  }
}

arrow::Status check_column(const std::string& path, const ParquetColumn& c, const parquet::FileMetaData& metadata) {
  const auto refuse = [&](const std::string& why) {
    base::ErrorDetail d;
    d.kind = base::ErrorKind::kIo;
    d.file = path;
    d.column = c.field->name();
    return base::with_detail(base::io_error("cannot read column \"" + c.field->name() + "\" of " + path + ": " + why), d);
  };
  if (!column::physical_of(*c.inside).ok()) return refuse("type " + c.field->type()->ToString() + " is not supported");
  if (c.leaves.empty()) return refuse("a struct without fields is not supported");
  for (int g = 0; metadata.is_encryption_algorithm_set() && g < metadata.num_row_groups(); ++g) {
    const auto group = metadata.RowGroup(g);
    for (const int leaf : c.leaves) {
      if (group->ColumnChunk(leaf)->crypto_metadata() != nullptr) return refuse("it is encrypted");
    }
  }
  return arrow::Status::OK();
}

arrow::Status read_columns(ParquetFile& file) {
  const auto& metadata = *file.metadata;
  parquet::arrow::SchemaManifest manifest, natural;
  const auto made =
      parquet::arrow::SchemaManifest::Make(metadata.schema(), metadata.key_value_metadata(), parquet::ArrowReaderProperties(), &manifest);
  if (made.IsNotImplemented() || made.IsInvalid()) {
    return base::io_error("cannot read " + file.path + ": " + first_line(made.message()), file.path);
  }
  ARROW_RETURN_NOT_OK(damaged(file.path, made));
  ARROW_RETURN_NOT_OK(
      damaged(file.path, parquet::arrow::SchemaManifest::Make(metadata.schema(), nullptr, parquet::ArrowReaderProperties(), &natural)));
  std::set<std::string> names;
  for (size_t i = 0; i < manifest.schema_fields.size(); ++i) {
    const auto& f = manifest.schema_fields[i];
    ParquetColumn c;
    c.field = arrow::field(f.field->name(), border_type(f.field->type()), f.field->nullable());
    c.inside = column::canonical_type(c.field->type());
    collect_leaves(f, c.leaves);
    c.flat = f.is_leaf() && f.level_info.rep_level == 0;
    c.direct = c.flat && is_direct(*metadata.schema()->Column(f.column_index),
                                   *column::canonical_type(natural.schema_fields[i].field->type()), *c.inside);
    if (!names.insert(c.field->name()).second) {
      return base::io_error("two columns of " + file.path + " are named \"" + c.field->name() + "\"", file.path);
    }
    ARROW_RETURN_NOT_OK(check_column(file.path, c, metadata));
    file.columns.push_back(std::move(c));
  }
  return arrow::Status::OK();
}

arrow::Status read_groups(ParquetFile& file) {
  int64_t first = 0;
  for (int g = 0; g < file.metadata->num_row_groups(); ++g) {
    const int64_t rows = file.metadata->RowGroup(g)->num_rows();
    file.group_first.push_back(first);
    if (rows < 0 || rows > kMostGroupRows) return damaged(file.path, arrow::Status::IOError("a row group of ", rows, " rows"));
    first += rows;
  }
  file.group_first.push_back(first);
  if (first == file.metadata->num_rows()) return arrow::Status::OK();
  return damaged(file.path, arrow::Status::IOError(file.metadata->num_rows(), " rows in all and ", first, " in its row groups"));
}

}  // namespace

arrow::Status damaged(const std::string& path, const arrow::Status& status, std::string_view column) {
  if (status.ok() || status.IsOutOfMemory() || status.IsCancelled() || base::error_detail(status) != nullptr) return status;
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kIo;
  d.file = path;
  d.column = column;
  return base::with_detail(base::io_error("damaged Parquet file: " + path + " (" + first_line(status.message()) + ")"), d);
}

arrow::Status exception_status() {
  try {
    throw;
  } catch (const parquet::ParquetStatusException& e) {
    return e.status();
  } catch (const std::bad_alloc&) {
    return base::memory_error("out of memory while reading a Parquet file");
  } catch (const std::exception& e) {
    return arrow::Status::IOError(e.what());
  }
}

arrow::Result<std::shared_ptr<const ParquetFile>> read_footer(const InputPtr& input) {
  auto file = std::make_shared<ParquetFile>();
  file->path = input->path();
  file->input = input;
  ARROW_ASSIGN_OR_RAISE(const auto in, input->open(arrow::default_memory_pool()));
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, in->GetSize());
  ARROW_RETURN_NOT_OK(check_magic(*in, file->path, bytes));
  ARROW_RETURN_NOT_OK(guard_parquet(file->path, {}, [&]() -> arrow::Status {
    file->metadata = parquet::ParquetFileReader::Open(in)->metadata();
    ARROW_RETURN_NOT_OK(read_columns(*file));
    return read_groups(*file);
  }));
  return file;
}

parquet::ReaderProperties page_properties(const ParquetFile& file, arrow::MemoryPool* pool) {
  parquet::ReaderProperties properties(pool);
  properties.enable_buffered_stream();
  properties.set_buffer_size(file.input->local() ? kStreamBuffer : kRemoteBuffer);
  return properties;
}

arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> open_parquet(const ParquetFile& file,
                                                                        std::shared_ptr<arrow::io::RandomAccessFile> in,
                                                                        arrow::MemoryPool* pool, int64_t batch_rows) {
  return guard_parquet(file.path, {}, [&]() -> arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> {
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_binary_type(arrow::Type::BINARY_VIEW);
    arrow_properties.set_batch_size(batch_rows);
    arrow_properties.set_pre_buffer(false);
    auto reader = parquet::ParquetFileReader::Open(std::move(in), page_properties(file, pool), file.metadata);
    auto made = parquet::arrow::FileReader::Make(pool, std::move(reader), arrow_properties);
    if (!made.ok()) return damaged(file.path, made.status());
    return made;
  });
}

}  // namespace gristmill::io
