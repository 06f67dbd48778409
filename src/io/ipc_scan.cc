// The IPC table source.
//
// The format's footer does not say how many rows a batch has, so opening reads one cheap column of every batch for the row
// positions. Text and nested columns are validated before they are used: a file's offsets are somebody else's.

#include "io/ipc_scan.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <arrow/array/array_base.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "io/files.h"
#include "io/json.h"
#include "io/open_input.h"
#include "io/reader_source.h"
#include "io/stream_scan.h"

namespace gristmill::io {
namespace {

struct IpcFile {
  std::string path;
  InputPtr input;
  bool stream = false;
  std::shared_ptr<arrow::Schema> schema;  // border types
  std::vector<int> columns;               // of this file, one for each column of the source
  int batches = 0;
  int64_t rows = 0;  // not known of a stream
};

arrow::Status ipc_error(const std::string& path, const arrow::Status& status) {
  if (status.ok() || status.IsOutOfMemory() || status.IsCancelled() || base::error_detail(status) != nullptr) return status;
  return base::io_error("damaged Arrow IPC file: " + path + " (" + status.message().substr(0, status.message().find('\n')) + ")", path);
}

template <typename T>
arrow::Result<T> or_ipc_error(const std::string& path, arrow::Result<T> result) {
  if (!result.ok()) return ipc_error(path, result.status());
  return result;
}

arrow::ipc::IpcReadOptions read_options(arrow::MemoryPool* pool, std::vector<int> fields) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  options.included_fields = std::move(fields);
  return options;
}

using FileReaderPtr = std::shared_ptr<arrow::ipc::RecordBatchFileReader>;

arrow::Result<FileReaderPtr> open_file(const IpcFile& file, arrow::MemoryPool* pool, std::vector<int> fields) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::io::RandomAccessFile> in, file.input->open(pool));
  if (file.input->local()) {
    ARROW_ASSIGN_OR_RAISE(in, or_ipc_error(file.path, arrow::io::MemoryMappedFile::Open(file.path, arrow::io::FileMode::READ)));
    in = counted(std::move(in), file.input->meter());
  }
  return or_ipc_error(file.path, arrow::ipc::RecordBatchFileReader::Open(in, read_options(pool, std::move(fields))));
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> open_stream(const IpcFile& file, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto in, file.input->stream(pool));
  ARROW_ASSIGN_OR_RAISE(auto reader, or_ipc_error(file.path, arrow::ipc::RecordBatchStreamReader::Open(in, read_options(pool, {}))));
  return reader;
}

// Values of fixed width are what they are; offsets, views and UTF-8 are checked.
arrow::Status check_batch(const std::string& path, const arrow::RecordBatch& batch) {
  for (int i = 0; i < batch.num_columns(); ++i) {
    const bool fixed = arrow::is_fixed_width(batch.column(i)->type_id());
    const arrow::Status checked = fixed ? batch.column(i)->Validate() : batch.column(i)->ValidateFull();
    if (!checked.ok()) {
      base::ErrorDetail d;
      d.kind = base::ErrorKind::kIo;
      d.file = path;
      d.column = batch.column_name(i);
      return base::with_detail(ipc_error(path, checked), d);
    }
  }
  return arrow::Status::OK();
}

// A stream begins with the continuation mark of its first message.
arrow::Result<bool> is_stream(const Input& input) {
  ARROW_ASSIGN_OR_RAISE(const auto head, input.head(6, arrow::default_memory_pool()));
  const std::string_view text(*head);
  if (text == "ARROW1") return false;
  if (text.starts_with("\xff\xff\xff\xff")) return true;
  const std::string& path = input.path();
  return base::io_error("not an Arrow IPC file: " + path + (text.empty() ? " (it is empty)" : " (expected magic \"ARROW1\")"), path);
}

arrow::Result<IpcFile> look_at(const InputPtr& input) {
  IpcFile file;
  const std::string path = file.path = input->path();
  file.input = input;
  ARROW_ASSIGN_OR_RAISE(file.stream, is_stream(*input));
  std::shared_ptr<arrow::Schema> schema;
  if (file.stream) {
    ARROW_ASSIGN_OR_RAISE(const auto reader, open_stream(file, arrow::default_memory_pool()));
    schema = reader->schema();
  } else {
    char tail[6] = {};
    ARROW_ASSIGN_OR_RAISE(const auto in, input->open(arrow::default_memory_pool()));
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, in->GetSize());
    if (bytes > 12) ARROW_RETURN_NOT_OK(ipc_error(path, in->ReadAt(bytes - 6, 6, tail).status()));
    if (std::memcmp(tail, "ARROW1", 6) != 0) {
      return base::io_error("truncated Arrow IPC file: " + path + " (magic \"ARROW1\" is missing at its end)", path);
    }
    ARROW_ASSIGN_OR_RAISE(const auto reader, open_file(file, arrow::default_memory_pool(), {}));
    schema = reader->schema();
    file.batches = reader->num_record_batches();
    ARROW_ASSIGN_OR_RAISE(file.rows, or_ipc_error(path, reader->CountRows()));
  }
  ARROW_ASSIGN_OR_RAISE(file.schema, border_schema(*schema, path, path));
  return file;
}

arrow::Status mixed(const std::string& path, const std::string& column, const std::string& message) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kIo;
  d.file = path;
  d.column = column;
  d.hint = "schema_evolution=\"union\" takes the columns of all files, \"first\" those of the first";
  return base::with_detail(base::io_error("mixed schemas: " + message), d);
}

arrow::Status align(const IpcFile& first, IpcFile& file) {
  for (const auto& wanted : first.schema->fields()) {
    const std::string& name = wanted->name();
    const int found = file.schema->GetFieldIndex(name);
    if (found < 0) return mixed(file.path, name, file.path + " has no column \"" + name + "\", which " + first.path + " has");
    const auto& type = file.schema->field(found)->type();
    if (!column::canonical_type(type)->Equals(*column::canonical_type(wanted->type()))) {
      return mixed(file.path, name,
                   "column \"" + name + "\" is " + type->ToString() + " in " + file.path + " and " + wanted->type()->ToString() + " in " +
                       first.path);
    }
    file.columns.push_back(found);
  }
  for (const auto& f : file.schema->fields()) {
    if (first.schema->GetFieldIndex(f->name()) < 0)
      return mixed(file.path, f->name(), file.path + " has a column \"" + f->name() + "\", which " + first.path + " has not");
  }
  return arrow::Status::OK();
}

class IpcLocal final : public plan::ScanLocal {
 public:
  FileReaderPtr reader;
  int32_t input = -1;
  std::shared_ptr<arrow::RecordBatch> batch;  // the one read last, checked; several morsels may be cut from it
  int batch_index = -1;
};

class IpcScan final : public plan::Scan {
 public:
  IpcScan(std::shared_ptr<const std::vector<IpcFile>> files, const plan::ScanRequest& request)
      : files_(std::move(files)), request_(request) {
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kDefaultBatchRows;
    for (const int c : request.columns) types_.push_back(column::canonical_type((*files_)[0].schema->field(c)->type()));
  }

  arrow::Status find_rows() {
    for (size_t f = 0; f < files_->size(); ++f) {
      const IpcFile& file = (*files_)[f];
      const auto& fields = file.schema->fields();
      const auto fixed = std::find_if(fields.begin(), fields.end(), [](const auto& x) { return arrow::is_fixed_width(x->type()->id()); });
      std::vector<int> cheap;
      if (!fields.empty()) cheap.push_back(fixed == fields.end() ? 0 : static_cast<int>(fixed - fields.begin()));
      ARROW_ASSIGN_OR_RAISE(const auto reader, open_file(file, request_.memory->pool(), std::move(cheap)));
      int64_t first = 0;
      for (int b = 0; b < file.batches; ++b) {
        ARROW_ASSIGN_OR_RAISE(const auto batch, or_ipc_error(file.path, reader->ReadRecordBatch(b)));
        const int64_t rows = batch->num_rows(), size = request_.morsel_rows > 0 ? request_.morsel_rows : std::max<int64_t>(rows, 1);
        for (int64_t at = 0; at < rows; at += size)
          pieces_.push_back({static_cast<int32_t>(f), b, at, first + at, std::min(size, rows - at)});
        first += rows;
      }
    }
    return arrow::Status::OK();
  }

  int64_t num_morsels() const override { return static_cast<int64_t>(pieces_.size()); }
  bool numbers_rows() const override { return files_->size() == 1; }
  std::string file_of(int32_t input) const override { return (*files_)[input].path; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<IpcLocal>(); }

  arrow::Status read(uint64_t seq, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    auto& local = static_cast<IpcLocal&>(scan_local);
    const Piece& piece = pieces_[seq];
    const IpcFile& file = (*files_)[piece.input];
    ARROW_RETURN_NOT_OK(request_.cancel.check());
    column::Batch whole;
    whole.rows = piece.rows;
    whole.origin.input = piece.input;
    whole.origin.first_row = piece.first_row;
    if (!request_.columns.empty()) ARROW_RETURN_NOT_OK(load(piece, file, local, whole));
    for (int64_t at = 0; at < piece.rows; at += batch_rows_) {
      counts.rows += std::min(batch_rows_, piece.rows - at);
      ARROW_RETURN_NOT_OK(emit(piece.rows <= batch_rows_ ? whole : column::slice(whole, at, std::min(batch_rows_, piece.rows - at))));
    }
    return arrow::Status::OK();
  }

 private:
  struct Piece {
    int32_t input = 0;
    int32_t batch = 0;
    int64_t at = 0;         // row within the record batch
    int64_t first_row = 0;  // row within the file
    int64_t rows = 0;
  };

  arrow::Status load(const Piece& piece, const IpcFile& file, IpcLocal& local, column::Batch& whole) {
    std::vector<int> wanted;
    for (const int c : request_.columns) wanted.push_back(file.columns[c]);
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    if (local.input != piece.input) {
      local.input = local.batch_index = -1;
      ARROW_ASSIGN_OR_RAISE(local.reader, open_file(file, request_.memory->pool(), wanted));
      local.input = piece.input;
    }
    if (local.batch_index != piece.batch) {
      local.batch_index = -1;
      ARROW_ASSIGN_OR_RAISE(local.batch, or_ipc_error(file.path, local.reader->ReadRecordBatch(piece.batch)));
      ARROW_RETURN_NOT_OK(check_batch(file.path, *local.batch));
      local.batch_index = piece.batch;
    }
    auto batch = local.batch;
    if (piece.rows != batch->num_rows()) batch = batch->Slice(piece.at, piece.rows);
    for (size_t i = 0; i < request_.columns.size(); ++i) {
      const auto at = std::lower_bound(wanted.begin(), wanted.end(), file.columns[request_.columns[i]]) - wanted.begin();
      ARROW_ASSIGN_OR_RAISE(auto c, column::import_array(batch->column_data(static_cast<int>(at)), request_.memory->pool()));
      if (!c.type()->Equals(*types_[i]))
        return base::internal_error("column \"" + batch->column_name(static_cast<int>(at)) + "\" of " + file.path + " came as " +
                                    c.type()->ToString());
      whole.columns.push_back(std::move(c));
    }
    return arrow::Status::OK();
  }

  const std::shared_ptr<const std::vector<IpcFile>> files_;
  const plan::ScanRequest request_;
  int64_t batch_rows_ = 0;
  std::vector<column::TypePtr> types_;
  std::vector<Piece> pieces_;
};

class IpcSource final : public plan::TableSource {
 public:
  IpcSource(std::vector<std::string> patterns, std::vector<IpcFile> files)
      : patterns_(std::move(patterns)), files_(std::make_shared<const std::vector<IpcFile>>(std::move(files))) {
    arrow::FieldVector fields;
    for (const auto& f : files_->front().schema->fields()) {
      bool nullable = false;
      for (const IpcFile& file : *files_) nullable = nullable || file.schema->GetFieldByName(f->name())->nullable();
      fields.push_back(f->WithNullable(nullable));
    }
    schema_ = arrow::schema(std::move(fields));
  }

  std::string kind() const override { return "ipc"; }
  std::string name() const override { return files_text(patterns_, files_->size()); }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override {
    plan::TableEstimate out{0, true, 0};
    for (const IpcFile& f : *files_) {
      *out.rows += f.rows;
      *out.bytes += f.input->stamp().bytes;
      out.exact_rows = out.exact_rows && !f.stream;
    }
    if (!out.exact_rows) out.rows.reset();
    return out;
  }
  std::string to_json() const override {
    JsonWriter json;
    std::vector<std::string> paths;
    for (const IpcFile& f : *files_) paths.push_back(f.path);
    json.add("paths", paths);
    return json.finish();
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    if (std::any_of(files_->begin(), files_->end(), [](const IpcFile& f) { return f.stream; })) return open_in_order(request);
    auto scan = std::make_shared<IpcScan>(files_, request);
    ARROW_RETURN_NOT_OK(scan->find_rows());
    return scan;
  }

 private:
  // One stream among the files makes the number of morsels unknown for all of them.
  arrow::Result<std::shared_ptr<plan::Scan>> open_in_order(const plan::ScanRequest& request) const {
    StreamScanSpec spec;
    for (size_t i = 0; i < request.columns.size(); ++i) {
      spec.columns.push_back(static_cast<int>(i));
      spec.types.push_back(column::canonical_type(schema_->field(request.columns[i])->type()));
    }
    for (const IpcFile& f : *files_) spec.files.push_back(f.path);
    auto in_order = std::make_shared<InOrder>();
    in_order->files = files_;
    in_order->columns = request.columns;
    in_order->pool = request.memory->pool();
    spec.pull = [in_order] { return in_order->next(); };
    return make_stream_scan(std::move(spec), request);
  }

  struct InOrder {
    std::shared_ptr<const std::vector<IpcFile>> files;
    std::vector<int> columns;
    arrow::MemoryPool* pool = nullptr;
    int32_t input = -1;
    int batch = 0;
    int64_t row = 0;
    FileReaderPtr file_reader;
    std::shared_ptr<arrow::RecordBatchReader> stream_reader;

    arrow::Result<std::optional<StreamedBatch>> next() {
      while (true) {
        if (file_reader == nullptr && stream_reader == nullptr) {
          if (++input >= std::ssize(*files)) return std::nullopt;
          ARROW_RETURN_NOT_OK(open((*files)[input]));
        }
        const IpcFile& file = (*files)[input];
        std::shared_ptr<arrow::RecordBatch> rows;
        if (stream_reader != nullptr) {
          ARROW_RETURN_NOT_OK(ipc_error(file.path, stream_reader->ReadNext(&rows)));
        } else if (batch < file.batches) {
          ARROW_ASSIGN_OR_RAISE(rows, or_ipc_error(file.path, file_reader->ReadRecordBatch(batch++)));
        }
        if (rows == nullptr) {
          file_reader.reset();
          stream_reader.reset();
          continue;
        }
        std::vector<int> wanted;
        for (const int c : columns) wanted.push_back(file.columns[c]);
        ARROW_ASSIGN_OR_RAISE(auto some, rows->SelectColumns(wanted));
        ARROW_RETURN_NOT_OK(check_batch(file.path, *some));
        StreamedBatch out{some, input, row};
        row += some->num_rows();
        return out;
      }
    }

    arrow::Status open(const IpcFile& file) {
      batch = 0;
      row = 0;
      if (file.stream) {
        ARROW_ASSIGN_OR_RAISE(stream_reader, open_stream(file, pool));
      } else {
        ARROW_ASSIGN_OR_RAISE(file_reader, open_file(file, pool, {}));
      }
      return arrow::Status::OK();
    }
  };

  const std::vector<std::string> patterns_;
  const std::shared_ptr<const std::vector<IpcFile>> files_;
  std::shared_ptr<arrow::Schema> schema_;
};

// Batches of a pipe, checked like those of files.
class CheckedReader final : public arrow::RecordBatchReader {
 public:
  CheckedReader(std::string path, std::shared_ptr<arrow::RecordBatchReader> reader) : path_(std::move(path)), reader_(std::move(reader)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return reader_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(ipc_error(path_, reader_->ReadNext(batch)));
    return *batch == nullptr ? arrow::Status::OK() : check_batch(path_, **batch);
  }

 private:
  const std::string path_;
  const std::shared_ptr<arrow::RecordBatchReader> reader_;
};

// A stream in a pipe is read while it comes, once.
arrow::Result<plan::TableSourcePtr> scan_pipe(const Input& input) {
  ARROW_ASSIGN_OR_RAISE(auto in, input.stream(arrow::default_memory_pool()));
  auto options = read_options(arrow::default_memory_pool(), {});
  ARROW_ASSIGN_OR_RAISE(auto reader, or_ipc_error(input.path(), arrow::ipc::RecordBatchStreamReader::Open(in, options)));
  return scan_reader(std::make_shared<CheckedReader>(input.path(), std::move(reader)), input.path());
}

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_ipc(const std::vector<std::string>& patterns, IpcReadOptions options) {
  ARROW_ASSIGN_OR_RAISE(const auto paths, expand_files(patterns, {".arrow", ".ipc", ".feather", ".arrows"}, options.storage));
  std::vector<IpcFile> files;
  for (const std::string& path : paths) {
    ARROW_ASSIGN_OR_RAISE(const InputPtr input, find_input(path, options.storage));
    if (input->sequential() && paths.size() == 1) {
      ARROW_ASSIGN_OR_RAISE(const bool stream, is_stream(*input));
      if (stream) return scan_pipe(*input);
    }
    ARROW_ASSIGN_OR_RAISE(IpcFile file, look_at(input));
    ARROW_RETURN_NOT_OK(align(files.empty() ? IpcFile(file) : files[0], file));
    files.push_back(std::move(file));
  }
  return std::make_shared<IpcSource>(patterns, std::move(files));
}

}  // namespace gristmill::io
