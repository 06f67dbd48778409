// Folders on disk: the stage lies beside its place, so every change is a rename within one file system.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "io/output_folder.h"

namespace gristmill::io {
namespace {

namespace fs = std::filesystem;

void sync_directory(const std::string& directory) {
  const int d = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0) return;
  ::fsync(d);  // some file systems refuse; the rename itself has happened
  ::close(d);
}

int rename_with(const std::string& from, const std::string& to, unsigned flags) {
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
}

bool not_known(int error) { return error == EINVAL || error == ENOSYS || error == ENOTSUP; }

// `from` to `to`, where nothing may be; false with errno.
bool move_new(const std::string& from, const std::string& to) {
  if (rename_with(from, to, RENAME_NOREPLACE) == 0) return true;
  if (!not_known(errno)) return false;
  return ::link(from.c_str(), to.c_str()) == 0 && ::unlink(from.c_str()) == 0;
}

// Two directories change places; false with errno, and nothing has changed.
bool change_places(const std::string& a, const std::string& b) {
  if (rename_with(a, b, RENAME_EXCHANGE) == 0) return true;
  if (!not_known(errno)) return false;
  const std::string aside = b + ".old";
  if (::rename(b.c_str(), aside.c_str()) != 0) return false;
  if (::rename(a.c_str(), b.c_str()) != 0) {
    const int error = errno;
    (void)::rename(aside.c_str(), b.c_str());
    errno = error;
    return false;
  }
  return ::rename(aside.c_str(), a.c_str()) == 0;
}

class LocalFolder final : public OutputFolder {
 public:
  LocalFolder(const std::string& path, Overwrite overwrite, const std::string& ending) : OutputFolder(path, overwrite, ending) {}

  arrow::Status open() {
    std::error_code error;
    target_ = path_;
    while (target_.size() > 1 && target_.back() == '/') target_.pop_back();
    const fs::file_status status = fs::status(target_, error);
    if (fs::exists(status)) {
      if (!fs::is_directory(status)) return base::io_error("cannot write " + path_ + ": it is a file, and a folder is wanted", path_);
      target_ = fs::canonical(target_, error).string();
      if (error) return failed("read");
    } else {
      const fs::path parent = fs::path(target_).parent_path();
      if (!parent.empty() && !fs::is_directory(parent, error))
        return base::io_error("cannot write " + path_ + ": there is no directory \"" + parent.string() + "\"", path_);
    }
    ARROW_RETURN_NOT_OK(check());
    return make_stage(target_);
  }

  arrow::Status commit() override {
    ARROW_RETURN_NOT_OK(check());
    switch (overwrite_) {
      case Overwrite::kError: return put_whole();
      case Overwrite::kReplace: return put_whole();
      case Overwrite::kAppend: return put_files();
      case Overwrite::kReplacePartitions: return put_partitions();
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Status failed(const std::string& what) const {
    const int error = errno;
    return base::io_error("cannot " + what + " " + path_ + ": " + std::strerror(error), path_);
  }

  // Whether the folder may be written in this mode as it is now.
  arrow::Status check() const {
    std::error_code error;
    if (!fs::exists(target_, error)) return arrow::Status::OK();
    if (overwrite_ == Overwrite::kError) {
      const fs::directory_iterator first(target_, error);
      if (error) return base::io_error("cannot list " + path_ + ": " + error.message(), path_);
      return first == fs::directory_iterator() ? arrow::Status::OK() : folder_not_empty(path_, first->path().filename().string());
    }
    if (overwrite_ == Overwrite::kReplace) return only_ours(target_);
    return arrow::Status::OK();
  }

  // A folder that is replaced goes as a whole: what no writer of tables has put there is not ours to remove.
  arrow::Status only_ours(const std::string& directory) const {
    std::error_code error;
    for (const auto& e : fs::directory_iterator(directory, error)) {
      const std::string name = e.path().filename().string();
      if (name[0] == '.' || name[0] == '_') continue;
      std::error_code ignored;
      const fs::file_status s = e.symlink_status(ignored);
      if (fs::is_directory(s) && name.find('=') != std::string::npos) {
        ARROW_RETURN_NOT_OK(only_ours(e.path().string()));
      } else if (!fs::is_regular_file(s) || !name.ends_with(ending_)) {
        return base::io_error(
            "cannot replace " + path_ + ": it has \"" + e.path().string() + "\", which is no *" + ending_ + " file and no folder key=value",
            path_, "remove it first, or write to another folder");
      }
    }
    return error ? base::io_error("cannot list " + directory + ": " + error.message(), path_) : arrow::Status::OK();
  }

  void committed() {
    stage_.clear();
    sync_directory(fs::path(target_).parent_path().string());
  }

  arrow::Status put_whole() {
    if (::rename(stage_.c_str(), target_.c_str()) == 0) {  // there was none, or an empty one
      committed();
      return arrow::Status::OK();
    }
    if (overwrite_ == Overwrite::kError || (errno != ENOTEMPTY && errno != EEXIST)) return failed("write");
    if (!change_places(stage_, target_)) return failed("replace");
    sync_directory(fs::path(target_).parent_path().string());
    abandon();  // the stage is what stood there before
    return arrow::Status::OK();
  }

  // Makes the folders above a file or partition; those that are new are noted, outermost first.
  arrow::Status make_folders(const std::string& below, std::vector<std::string>& made) {
    std::string at = target_;
    const auto make = [&]() -> arrow::Status {
      if (::mkdir(at.c_str(), 0777) == 0) {
        made.push_back(at);
      } else if (errno != EEXIST) {
        return failed("write");
      }
      return arrow::Status::OK();
    };
    ARROW_RETURN_NOT_OK(make());
    for (const fs::path& part : fs::path(below)) {
      at += '/';
      at += part.string();
      ARROW_RETURN_NOT_OK(make());
    }
    return arrow::Status::OK();
  }

  int64_t next_number(const std::string& directory) const {
    int64_t next = 0;
    std::error_code error;
    for (const auto& e : fs::directory_iterator(directory, error)) next = std::max(next, number_of(e.path().filename().string()) + 1);
    return next;
  }

  // Every step has its way back; when one fails the ways back are gone, last first.
  arrow::Status undone(arrow::Status status, const std::vector<std::function<void()>>& back, const std::vector<std::string>& made) {
    for (auto b = back.rbegin(); b != back.rend(); ++b) (*b)();
    for (auto d = made.rbegin(); d != made.rend(); ++d) (void)::rmdir(d->c_str());
    return status;
  }

  arrow::Status put_files() {
    std::vector<std::string> made;
    std::vector<std::function<void()>> back;
    std::map<std::string, int64_t> next;
    ARROW_RETURN_NOT_OK(make_folders("", made));
    for (const StagedFile& file : files_) {
      const std::string directory = target_ + (file.folder.empty() ? "" : "/" + file.folder);
      if (!next.contains(file.folder)) {
        const arrow::Status status = make_folders(file.folder, made);
        if (!status.ok()) return undone(status, back, made);
        next[file.folder] = next_number(directory);
      }
      std::string to = directory + "/" + file_name(next[file.folder]++);
      while (!move_new(staged(file), to)) {  // another writer may have taken the name
        if (errno != EEXIST) return undone(failed("write"), back, made);
        to = directory + "/" + file_name(next[file.folder]++);
      }
      back.emplace_back([to] { (void)::unlink(to.c_str()); });
    }
    for (const auto& [folder, number] : next) sync_directory(target_ + "/" + folder);
    abandon();
    return arrow::Status::OK();
  }

  arrow::Status put_partitions() {
    std::vector<std::string> made;
    std::vector<std::function<void()>> back;
    ARROW_RETURN_NOT_OK(make_folders("", made));
    for (const auto& [folder, count] : counts_) {
      const std::string from = stage_ + "/" + folder, to = target_ + "/" + folder;
      std::error_code error;
      if (fs::exists(to, error)) {
        arrow::Status status = only_ours(to);
        if (status.ok() && !change_places(from, to)) status = failed("replace");
        if (!status.ok()) return undone(status, back, made);
        back.emplace_back([from, to] { (void)change_places(from, to); });
        continue;
      }
      arrow::Status status = make_folders(fs::path(folder).parent_path().string(), made);
      if (status.ok() && ::rename(from.c_str(), to.c_str()) != 0) status = failed("write");
      if (!status.ok()) return undone(status, back, made);
      back.emplace_back([from, to] { (void)::rename(to.c_str(), from.c_str()); });
    }
    for (const auto& [folder, count] : counts_) sync_directory((fs::path(target_) / folder).parent_path().string());
    abandon();
    return arrow::Status::OK();
  }

  std::string target_;
};

}  // namespace

arrow::Result<std::unique_ptr<OutputFolder>> local_folder(const std::string& path, Overwrite overwrite, const std::string& ending) {
  auto out = std::make_unique<LocalFolder>(path, overwrite, ending);
  ARROW_RETURN_NOT_OK(out->open());
  return out;
}

}  // namespace gristmill::io
