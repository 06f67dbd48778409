// Files of epochs. An epoch's file is written under a hidden name and complete when flush() returns; commit() writes the manifest, which
// decides, and then gives the file its name.
//
//   FOLDER/part-000000000042.parquet                 an epoch that counts
//   FOLDER/.gristmill/SINK/part-000000000043.parquet one that does not yet
//   FOLDER/.gristmill/SINK/manifest.json             the last epoch that counts, and its files
// What the manifest names and is still hidden is shown by the next open(). An epoch without rows has no file.

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <arrow/buffer.h>
#include <simdjson.h>

#include "base/status.h"
#include "expr/json.h"
#include "gristmill/text_options.h"
#include "io/csv_write.h"
#include "io/ipc_write.h"
#include "io/open_input.h"
#include "io/output_file.h"
#include "io/parquet_write.h"
#include "io/s3_store.h"
#include "stream/epoch_sink.h"

namespace gristmill::stream {
namespace {

namespace fs = std::filesystem;

constexpr int kVersion = 1;

// What an epoch left: the snapshot's token and the manifest.
struct EpochFileList {
  int64_t epoch = 0;
  std::vector<std::string> files;

  std::string text() const {
    std::string out = "{\"version\":";
    out.append(std::to_string(kVersion)).append(",\"epoch\":").append(std::to_string(epoch)).append(",\"files\":[");
    for (size_t i = 0; i < files.size(); ++i) out.append(i > 0 ? "," : "").append(expr::json_string(files[i]));
    return out.append("]}\n");
  }
  static arrow::Result<EpochFileList> parse(const std::string& text, const std::string& where) {
    simdjson::dom::parser parser;
    simdjson::dom::object root;
    simdjson::dom::array files;
    int64_t version = 0;
    EpochFileList out;
    const bool fine = parser.parse(text.data(), text.size()).get(root) == simdjson::SUCCESS &&
                      root.at_key("version").get(version) == simdjson::SUCCESS &&
                      root.at_key("epoch").get(out.epoch) == simdjson::SUCCESS && root.at_key("files").get(files) == simdjson::SUCCESS;
    if (!fine || version != kVersion) return base::io_error("cannot read what an epoch left: " + where, where);
    for (const simdjson::dom::element e : files) {
      std::string_view name;
      if (e.get(name) != simdjson::SUCCESS) return base::io_error("cannot read what an epoch left: " + where, where);
      out.files.emplace_back(name);
    }
    return out;
  }
};

// Names of files where they lie; the few things that a folder on disk and one in a store do differently.
class Place {
 public:
  Place(std::string path, io::StoragePtr storage, bool remote) : path_(std::move(path)), storage_(std::move(storage)), remote_(remote) {}
  const std::string& path() const { return path_; }
  const io::StoragePtr& storage() const { return storage_; }

  arrow::Status make(const std::string& folder) const {
    if (remote_) return arrow::Status::OK();
    std::error_code failed;
    fs::create_directories(folder, failed);
    return failed ? base::io_error("cannot make the folder " + folder + ": " + failed.message(), folder) : arrow::Status::OK();
  }
  arrow::Result<bool> exists(const std::string& file) const {
    if (remote_) {
      ARROW_ASSIGN_OR_RAISE(const auto kind, io::kind_s3(file, storage_));
      return kind == io::ObjectKind::kObject;
    }
    std::error_code failed;
    return fs::exists(file, failed);
  }
  arrow::Result<std::string> read(const std::string& file) const {
    ARROW_ASSIGN_OR_RAISE(const auto input, io::find_input(file, storage_));
    ARROW_ASSIGN_OR_RAISE(const auto in, input->open(arrow::default_memory_pool()));
    ARROW_ASSIGN_OR_RAISE(const auto bytes, in->ReadAt(0, input->stamp().bytes));
    return bytes->ToString();
  }
  arrow::Status write(const std::string& file, const std::string& text) const {
    ARROW_ASSIGN_OR_RAISE(const auto out, io::OutputFile::create(file, storage_));
    ARROW_RETURN_NOT_OK(out->Write(text.data(), std::ssize(text)));
    return out->finish();
  }
  arrow::Result<std::vector<std::string>> list(const std::string& folder) const {
    std::vector<std::string> out;
    if (remote_) {
      ARROW_ASSIGN_OR_RAISE(const auto found, io::list_s3(folder, false, storage_));
      for (const auto& o : found) {
        if (!o.directory) out.push_back(o.path);
      }
      return out;
    }
    std::error_code failed;
    for (auto at = fs::directory_iterator(folder, failed); !failed && at != fs::directory_iterator(); at.increment(failed)) {
      out.push_back(at->path().string());
    }
    return out;
  }
  arrow::Status remove(const std::string& file) const {
    if (remote_) return io::delete_s3(file, storage_);
    std::error_code failed;
    fs::remove(file, failed);
    return failed ? base::io_error("cannot remove " + file + ": " + failed.message(), file) : arrow::Status::OK();
  }
  // In a store a copy, then the removal: doing it twice does no harm.
  arrow::Status move(const std::string& from, const std::string& to) const {
    if (!remote_) {
      if (std::rename(from.c_str(), to.c_str()) == 0) return arrow::Status::OK();
      return base::io_error("cannot move " + from + " to " + to + ": " + std::strerror(errno), to);
    }
    ARROW_ASSIGN_OR_RAISE(const auto input, io::find_input(from, storage_));
    ARROW_ASSIGN_OR_RAISE(const auto in, input->stream(arrow::default_memory_pool()));
    ARROW_ASSIGN_OR_RAISE(const auto out, io::OutputFile::create(to, storage_));
    constexpr int64_t kPiece = int64_t{4} << 20;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto piece, in->Read(kPiece));
      if (piece->size() == 0) break;
      ARROW_RETURN_NOT_OK(out->Write(piece->data(), piece->size()));
    }
    ARROW_RETURN_NOT_OK(out->finish());
    return remove(from);
  }

 private:
  const std::string path_;
  const io::StoragePtr storage_;
  const bool remote_;
};

const char* ending_of(EpochFormat format) {
  switch (format) {
    case EpochFormat::kCsv: return ".csv";
    case EpochFormat::kNdjson: return ".ndjson";
    case EpochFormat::kIpc: return ".arrow";
    default: return ".parquet";
  }
}

class EpochFiles final : public EpochSink {
 public:
  EpochFiles(Place place, EpochFilesOptions options) : place_(std::move(place)), options_(std::move(options)) {}
  std::string name() const override { return "write files " + place_.path(); }
  Delivery delivery() const override { return Delivery::kExactlyOnce; }
  bool keeps_flushed() const override { return true; }
  int64_t committed() const override { return committed_; }

  arrow::Result<int64_t> open(const std::string& sink_id, std::shared_ptr<arrow::Schema> schema,
                              const exec::QueryContext& context) override {
    if (sink_id.empty() || sink_id.find_first_of("/\\") != std::string::npos) {
      return base::plan_error("a sink's name has no slash: \"" + sink_id + "\"");
    }
    schema_ = std::move(schema);
    memory_ = context.memory;
    hidden_ = place_.path() + "/.gristmill/" + sink_id;
    ARROW_RETURN_NOT_OK(place_.make(hidden_));
    ARROW_ASSIGN_OR_RAISE(const bool there, place_.exists(manifest()));
    if (!there) return committed_ = 0;
    ARROW_ASSIGN_OR_RAISE(const std::string text, place_.read(manifest()));
    ARROW_ASSIGN_OR_RAISE(const auto last, EpochFileList::parse(text, manifest()));
    ARROW_RETURN_NOT_OK(show(last, false));
    return committed_ = last.epoch;
  }

  arrow::Status begin(int64_t epoch) override {
    skipping_ = epoch <= committed_;
    sink_ = nullptr;
    rows_ = 0;
    seq_ = 0;
    if (skipping_) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(remove_hidden_from(epoch));
    ARROW_ASSIGN_OR_RAISE(sink_, make(hidden_ + "/" + file_of(epoch)));
    return arrow::Status::OK();
  }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    if (skipping_) return batches;
    return sink_->stage(std::move(batches), context);
  }

  arrow::Result<exec::OrderedSink::Answer> deliver(std::vector<column::Batch>& batches) override {
    if (skipping_) {
      batches.clear();
      return exec::OrderedSink::Answer{};
    }
    int64_t rows = 0;
    for (const column::Batch& b : batches) rows += b.selected();
    ARROW_ASSIGN_OR_RAISE(auto answer, sink_->deliver(seq_, batches));
    if (answer.wait != nullptr) return answer;
    ++seq_;
    rows_ += rows;
    return answer;
  }

  arrow::Result<std::string> flush(int64_t epoch, const std::vector<SourcePositions>&) override {
    EpochFileList out{epoch, {}};
    if (skipping_) return out.text();
    const auto sink = std::move(sink_);
    sink_ = nullptr;
    if (rows_ == 0) {
      sink->abandon();
    } else {
      ARROW_RETURN_NOT_OK(sink->finalize());
      out.files.push_back(file_of(epoch));
    }
    return out.text();
  }

  arrow::Status commit(int64_t epoch, const std::string& token) override {
    if (epoch <= committed_) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto list, EpochFileList::parse(token, "the snapshot of epoch " + std::to_string(epoch)));
    if (list.epoch != epoch) return base::internal_error("the token of another epoch");
    for (const std::string& f : list.files) {
      ARROW_ASSIGN_OR_RAISE(const bool there, place_.exists(hidden_ + "/" + f));
      if (!there) return base::io_error("the file of epoch " + std::to_string(epoch) + " is gone: " + hidden_ + "/" + f, f);
    }
    ARROW_RETURN_NOT_OK(place_.write(manifest(), list.text()));
    committed_ = epoch;
    return show(list, true);
  }

  void abort() override {
    if (sink_ != nullptr) sink_->abandon();
    sink_ = nullptr;
  }

 private:
  std::string manifest() const { return hidden_ + "/manifest.json"; }
  std::string file_of(int64_t epoch) const {
    char number[32];
    std::snprintf(number, sizeof number, "part-%012" PRId64, epoch);
    return number + std::string(ending_of(options_.format));
  }

  // Hidden files that the manifest names get their names. Who reads the folder may have taken them away already.
  arrow::Status show(const EpochFileList& list, bool all) {
    for (const std::string& f : list.files) {
      if (!all) {
        ARROW_ASSIGN_OR_RAISE(const bool hidden, place_.exists(hidden_ + "/" + f));
        if (!hidden) continue;
      }
      ARROW_RETURN_NOT_OK(place_.move(hidden_ + "/" + f, place_.path() + "/" + f));
    }
    return arrow::Status::OK();
  }

  arrow::Status remove_hidden_from(int64_t epoch) {
    ARROW_ASSIGN_OR_RAISE(const auto found, place_.list(hidden_));
    for (const std::string& path : found) {
      const std::string name = path.substr(path.rfind('/') + 1);
      if (name.starts_with("part-") && std::strtoll(name.c_str() + 5, nullptr, 10) >= epoch) ARROW_RETURN_NOT_OK(place_.remove(path));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<exec::OrderedSink>> make(const std::string& path) {
    switch (options_.format) {
      case EpochFormat::kCsv: {
        CsvWriteOptions o;
        o.compression = options_.compression.empty() ? "none" : options_.compression;
        return io::write_csv(path, schema_, o, memory_, place_.storage());
      }
      case EpochFormat::kNdjson: {
        NdjsonWriteOptions o;
        o.compression = options_.compression.empty() ? "none" : options_.compression;
        return io::write_ndjson(path, schema_, o, memory_, place_.storage());
      }
      case EpochFormat::kIpc: {
        io::IpcWriteOptions o;
        if (!options_.compression.empty()) o.compression = options_.compression;
        o.storage = place_.storage();
        return io::write_ipc(path, schema_, o, memory_);
      }
      default: {
        io::ParquetWriteOptions o;
        if (!options_.compression.empty()) o.compression = options_.compression;
        o.storage = place_.storage();
        return io::write_parquet(path, schema_, o, memory_);
      }
    }
  }

  const Place place_;
  const EpochFilesOptions options_;
  std::string hidden_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<base::QueryMemory> memory_;
  std::shared_ptr<exec::OrderedSink> sink_;
  int64_t committed_ = 0;
  int64_t rows_ = 0;
  uint64_t seq_ = 0;
  bool skipping_ = false;
};

}  // namespace

arrow::Result<EpochSinkPtr> epoch_files(const std::string& folder, const EpochFilesOptions& options) {
  const std::string scheme = io::scheme_of(folder);
  std::string path = scheme == "file" ? folder.substr(7) : folder;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.empty()) return base::plan_error("the folder to write into has no name");
  if (!scheme.empty() && scheme != "file" && scheme != "s3") {
    return base::plan_error("a stream's files cannot be written to \"" + folder + "\"", "a local folder, or s3://bucket/prefix");
  }
  io::StoragePtr storage = options.storage;
  if (scheme == "s3") {
    ARROW_ASSIGN_OR_RAISE(storage, io::or_environment(storage));
  }
  return std::make_shared<EpochFiles>(Place(path, storage, scheme == "s3"), options);
}

}  // namespace gristmill::stream
