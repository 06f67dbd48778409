// The public names of io's files, listings and streams.

#include "gristmill/store.h"

#include <algorithm>
#include <filesystem>

#include "base/status.h"
#include "io/files.h"
#include "io/open_input.h"
#include "io/output_file.h"
#include "io/parquet_scan.h"
#include "io/s3_store.h"
#include "plan/logical.h"

namespace gristmill {
namespace {

namespace fs = std::filesystem;

// A store's stamp is the tag in quotes and the time of change.
FileFacts facts_of(const io::Input& input) {
  FileFacts out{input.path(), input.stamp().bytes, {}, input.stamp().tag};
  if (out.version.starts_with('"')) out.etag = out.version.substr(1, out.version.find('"', 1) - 1);
  if (out.version.empty()) out.version = std::to_string(input.stamp().modified_ns);
  return out;
}

bool is_note(const std::string& name) { return name.empty() || name[0] == '.' || name[0] == '_'; }

arrow::Status list_disk(const std::string& folder, bool deep, std::vector<std::string>& names) {
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (is_note(name)) continue;
    const std::string path = folder.ends_with('/') ? folder + name : folder + "/" + name;
    std::error_code unknown;
    if (!at->is_directory(unknown)) {
      names.push_back(path);
    } else if (deep) {
      ARROW_RETURN_NOT_OK(list_disk(path, deep, names));
    }
  }
  if (!failed || failed == std::errc::no_such_file_or_directory) return arrow::Status::OK();
  return base::io_error("cannot list directory \"" + folder + "\": " + failed.message(), folder);
}

arrow::Status list_store(const std::string& folder, bool deep, const io::StoragePtr& storage, std::vector<std::string>& names) {
  ARROW_ASSIGN_OR_RAISE(const auto found, io::list_s3(folder, deep, storage));
  const size_t begin = folder.size() + (folder.ends_with('/') ? 0 : 1);
  for (const io::ObjectName& object : found) {
    if (object.directory || object.path.size() <= begin) continue;
    bool note = false;
    for (size_t from = begin; from <= object.path.size();) {
      const size_t slash = std::min(object.path.find('/', from), object.path.size());
      note = note || is_note(object.path.substr(from, slash - from));
      from = slash + 1;
    }
    if (!note) names.push_back(object.path);
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::vector<FileFacts>> list_files(const std::string& folder, const StorageOptions& storage, bool deep) {
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr options, io::storage_options(storage));
  const std::string scheme = io::scheme_of(folder);
  if (!scheme.empty() && scheme != "s3" && scheme != "file") return base::plan_error("nothing can be listed at " + folder);
  std::vector<std::string> names;
  if (scheme == "s3") {
    ARROW_RETURN_NOT_OK(list_store(folder, deep, options, names));
  } else {
    ARROW_RETURN_NOT_OK(list_disk(scheme.empty() ? folder : folder.substr(7), deep, names));
  }
  std::sort(names.begin(), names.end());
  std::vector<FileFacts> out;
  for (const std::string& name : names) {
    ARROW_ASSIGN_OR_RAISE(const io::InputPtr input, io::find_input(name, options));
    out.push_back(facts_of(*input));
  }
  return out;
}

arrow::Result<FileFacts> look_at(const std::string& file, const StorageOptions& storage) {
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr options, io::storage_options(storage));
  ARROW_ASSIGN_OR_RAISE(const io::InputPtr input, io::find_input(file, options));
  return facts_of(*input);
}

arrow::Result<bool> exists(const std::string& name, const StorageOptions& storage) {
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr options, io::storage_options(storage));
  const std::string scheme = io::scheme_of(name);
  if (scheme == "s3") {
    ARROW_ASSIGN_OR_RAISE(const io::ObjectKind kind, io::kind_s3(name, options));
    return kind != io::ObjectKind::kMissing;
  }
  std::error_code failed;
  const bool there = fs::exists(scheme == "file" ? name.substr(7) : name, failed);
  if (failed) return base::io_error("cannot read " + name + ": " + failed.message(), name);
  return there;
}

arrow::Result<std::shared_ptr<arrow::io::InputStream>> open_bytes(const std::string& file, const StorageOptions& storage) {
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr options, io::storage_options(storage));
  ARROW_ASSIGN_OR_RAISE(const io::InputPtr input, io::find_input(file, options));
  return input->stream(arrow::default_memory_pool());
}

arrow::Status write_bytes(const std::string& file, const std::string& bytes, const StorageOptions& storage) {
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr options, io::storage_options(storage));
  ARROW_ASSIGN_OR_RAISE(const auto out, io::OutputFile::create(file, options));
  ARROW_RETURN_NOT_OK(out->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
  return out->finish();
}

Frame scan_parquet_files(const std::vector<std::string>& files, const StorageOptions& storage) {
  const auto options = io::storage_options(storage);
  if (!options.ok()) return Frame(options.status());
  auto source = io::scan_parquet(files, {.storage = *options});
  if (!source.ok()) return Frame(source.status());
  return Frame(plan::make_scan(std::move(*source)));
}

std::optional<int64_t> rows_without_reading(const Frame& scan) {
  if (!scan.plan().ok() || (*scan.plan())->source == nullptr) return std::nullopt;
  const plan::TableEstimate estimate = (*scan.plan())->source->estimate();
  return estimate.exact_rows ? estimate.rows : std::nullopt;
}

}  // namespace gristmill
