// Folders in a store: the stage lies in the spill directory, and nothing is uploaded before all rows are there.

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <set>

#include <arrow/buffer.h>
#include <arrow/io/file.h>

#include "base/spill_file.h"
#include "base/status.h"
#include "io/output_folder.h"
#include "io/s3_store.h"
#include "sched/task.h"

namespace gristmill::io {
namespace {

constexpr int64_t kPiece = int64_t{8} << 20;
constexpr int64_t kUploadBytes = int64_t{32} << 20;  // what one upload holds in memory

// Runs `work` for 0 .. n-1 on the I/O threads and waits for all; the error of the smallest number.
arrow::Status on_io_threads(size_t n, int64_t bytes, const std::function<arrow::Status(size_t)>& work) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    size_t open;
    std::vector<arrow::Status> results;
  };
  const auto shared = std::make_shared<Shared>();
  shared->open = n;
  shared->results.resize(n);
  for (size_t i = 0; i < n; ++i) {
    sched::Scheduler::process().background().submit_io(bytes, [shared, i, &work] {
      arrow::Status status = work(i);
      std::lock_guard lock(shared->mutex);
      shared->results[i] = std::move(status);
      if (--shared->open == 0) shared->changed.notify_all();
    });
  }
  std::unique_lock lock(shared->mutex);
  shared->changed.wait(lock, [&] { return shared->open == 0; });
  for (const arrow::Status& s : shared->results) ARROW_RETURN_NOT_OK(s);
  return arrow::Status::OK();
}

class S3Folder final : public OutputFolder {
 public:
  S3Folder(const std::string& url, Overwrite overwrite, const std::string& ending, StoragePtr storage)
      : OutputFolder(url, overwrite, ending), storage_(std::move(storage)) {}

  arrow::Status open() {
    root_ = path_;
    while (root_.ends_with('/')) root_.pop_back();
    ARROW_RETURN_NOT_OK(existing().status());
    return make_stage(base::spill_directory() + "/gristmill-upload");
  }

  arrow::Status commit() override {
    ARROW_ASSIGN_OR_RAISE(const auto old, existing());
    std::map<std::string, int64_t> next;
    for (const std::string& name : old) {
      const size_t slash = name.rfind('/');
      int64_t& n = next[name.substr(0, slash)];
      n = std::max(n, number_of(name.substr(slash + 1)) + 1);
    }
    std::vector<std::string> urls;
    for (const StagedFile& f : files_) {
      const std::string folder = root_ + (f.folder.empty() ? "" : "/" + f.folder);
      urls.push_back(folder + "/" + file_name(next[folder]++));
    }
    std::mutex mutex;
    std::vector<std::string> done;
    const arrow::Status uploaded = on_io_threads(files_.size(), kUploadBytes, [&](size_t i) -> arrow::Status {
      ARROW_RETURN_NOT_OK(upload(staged(files_[i]), urls[i]));
      std::lock_guard lock(mutex);
      done.push_back(urls[i]);
      return arrow::Status::OK();
    });
    if (!uploaded.ok()) {
      for (const std::string& url : done) (void)delete_s3(url, storage_);
      return uploaded;
    }
    abandon();
    return remove_replaced(old);
  }

 private:
  // Files of ours that are there; an error when none may be.
  arrow::Result<std::vector<std::string>> existing() const {
    std::vector<std::string> out;
    ARROW_ASSIGN_OR_RAISE(const auto names, list_s3(root_, true, storage_));
    for (const ObjectName& o : names) {
      if (o.directory) continue;
      if (overwrite_ == Overwrite::kError) return folder_not_empty(path_, o.path);
      if (o.path.ends_with(ending_)) out.push_back(o.path);
    }
    return out;
  }

  arrow::Status upload(const std::string& from, const std::string& url) const {
    ARROW_ASSIGN_OR_RAISE(const auto in, arrow::io::ReadableFile::Open(from));
    ARROW_ASSIGN_OR_RAISE(const auto out, create_s3(url, storage_));
    const auto copy = [&]() -> arrow::Status {
      while (true) {
        ARROW_ASSIGN_OR_RAISE(const auto piece, in->Read(kPiece));
        if (piece->size() == 0) return out->Close();
        ARROW_RETURN_NOT_OK(out->Write(piece->data(), piece->size()));
      }
    };
    const arrow::Status status = copy();
    if (status.ok()) return status;
    (void)out->Abort();
    if (base::error_detail(status) != nullptr) return status;
    return base::io_error("cannot write " + url + ": " + status.message().substr(0, status.message().find('\n')), url);
  }

  arrow::Status remove_replaced(const std::vector<std::string>& old) const {
    if (overwrite_ != Overwrite::kReplace && overwrite_ != Overwrite::kReplacePartitions) return arrow::Status::OK();
    std::set<std::string> folders;
    for (const StagedFile& f : files_) folders.insert(root_ + (f.folder.empty() ? "" : "/" + f.folder));
    std::vector<std::string> gone;
    for (const std::string& name : old) {
      if (overwrite_ == Overwrite::kReplace || folders.contains(name.substr(0, name.rfind('/')))) gone.push_back(name);
    }
    const arrow::Status status = on_io_threads(gone.size(), 1, [&](size_t i) { return delete_s3(gone[i], storage_); });
    if (status.ok()) return status;
    return base::io_error("the new files of " + path_ + " are there, but not all old ones could be removed: " + status.message(), path_,
                          "remove the old ones, or write again with overwrite=\"replace\"");
  }

  const StoragePtr storage_;
  std::string root_;  // without a slash at its end
};

}  // namespace

arrow::Result<std::unique_ptr<OutputFolder>> s3_folder(const std::string& url, Overwrite overwrite, const std::string& ending,
                                                       const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(StoragePtr options, or_environment(storage));
  auto out = std::make_unique<S3Folder>(url, overwrite, ending, std::move(options));
  ARROW_RETURN_NOT_OK(out->open());
  return out;
}

}  // namespace gristmill::io
