#include "job/dead_letters.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>

#include "base/status.h"
#include "io/text_format.h"

namespace gristmill::job {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kHeldInMemory = int64_t{8} << 20;  // lines of morsels that came before their turn

void append_key(const char* key, std::string& out) {
  out += ",\"";
  out += key;
  out += "\":";
}

void append_text(const char* key, const std::string& value, std::string& out) {
  if (value.empty()) return;
  append_key(key, out);
  io::append_json_text(value, out);
}

void append_number(const char* key, int64_t value, std::string& out) {
  if (value < 0) return;
  append_key(key, out);
  out += std::to_string(value);
}

void append_names(const char* key, const std::vector<std::string>& names, std::string& out) {
  append_key(key, out);
  char before = '[';
  for (const std::string& name : names) {
    out += before;
    before = ',';
    io::append_json_text(name, out);
  }
  out += before == '[' ? "[]" : "]";
}

// The folder of `folders` that the path lies in, without a slash at its end; empty: none.
std::string folder_around(const std::string& path, const std::vector<std::string>& folders) {
  for (std::string folder : folders) {
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    if (lies_in(path, folder)) return folder;
  }
  return {};
}

arrow::Status moved(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return arrow::Status::OK();
  return base::io_error("cannot move " + from + " to " + to + ": " + std::strerror(errno), to);
}

}  // namespace

bool lies_in(const std::string& path, const std::string& folder) {
  std::string around = folder;
  while (around.size() > 1 && around.ends_with('/')) around.pop_back();
  const auto inside = fs::path(path).lexically_normal().lexically_relative(fs::path(around).lexically_normal());
  return !inside.empty() && inside != "." && *inside.begin() != "..";
}

void append_rejection(const Rejection& r, const std::string& job, std::string& out) {
  if (!r.record.empty()) {
    out += "{\"record\":";
    out += r.record;
  } else {
    out += "{\"text\":";
    io::append_json_text(r.text, out);
    if (r.columns != nullptr) append_names("columns", *r.columns, out);
  }
  append_text("at", r.at, out);
  append_text("error", r.error.message(), out);
  append_text("step", r.step, out);
  if (const auto detail = base::error_detail(r.error)) {
    append_text("column", detail->column, out);
    append_text("value", detail->value, out);
  }
  append_text("file", r.file, out);
  append_number("row", r.row, out);
  append_number("line", r.line, out);
  append_text("job", job, out);
  out += "}\n";
}

arrow::Result<std::unique_ptr<DeadLetters>> DeadLetters::open(const std::string& path, const std::vector<std::string>& folders) {
  std::unique_ptr<DeadLetters> out(new DeadLetters(path));
  if (const std::string folder = folder_around(path, folders); !folder.empty()) {
    out->beside_ = folder + "." + fs::path(path).filename().string();
    if (fs::exists(path)) {  // an earlier run's, in the way of a folder that must be empty or ours
      const std::string back = out->beside_ + ".before";
      ARROW_RETURN_NOT_OK(moved(path, back));
      out->set_back_ = back;
    }
  }
  ARROW_ASSIGN_OR_RAISE(out->file_, io::OutputFile::create(out->beside_.empty() ? path : out->beside_));
  return out;
}

arrow::Status DeadLetters::write(const std::string& lines) {
  if (lines.empty()) return arrow::Status::OK();
  return file_->Write(lines.data(), static_cast<int64_t>(lines.size()));
}

arrow::Status DeadLetters::deliver(uint64_t seq, std::string lines) {
  std::lock_guard lock(mutex_);
  if (file_ == nullptr) return arrow::Status::OK();
  if (seq != next_) return set_aside(seq, std::move(lines));
  ARROW_RETURN_NOT_OK(write(lines));
  ++next_;
  return write_waiting();
}

arrow::Status DeadLetters::write_waiting() {
  for (auto at = waiting_.begin(); at != waiting_.end() && at->first == next_; at = waiting_.erase(at), ++next_) {
    const Waiting& w = at->second;
    if (w.spilled) {
      ARROW_ASSIGN_OR_RAISE(const auto bytes, scratch_->read(w.block, arrow::default_memory_pool()));
      ARROW_RETURN_NOT_OK(file_->Write(bytes->data(), bytes->size()));
    } else {
      held_ -= static_cast<int64_t>(w.text.size());
      ARROW_RETURN_NOT_OK(write(w.text));
    }
  }
  return arrow::Status::OK();
}

arrow::Status DeadLetters::set_aside(uint64_t seq, std::string lines) {
  Waiting w;
  const auto size = static_cast<int64_t>(lines.size());
  if (held_ + size > kHeldInMemory) {
    if (scratch_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(scratch_, base::SpillFile::create());
    }
    ARROW_ASSIGN_OR_RAISE(w.block, scratch_->write(reinterpret_cast<const uint8_t*>(lines.data()), size));
    w.spilled = true;
  } else {
    held_ += size;
    w.text = std::move(lines);
  }
  waiting_.emplace(seq, std::move(w));
  return arrow::Status::OK();
}

arrow::Status DeadLetters::append_later(const std::string& lines) {
  std::lock_guard lock(mutex_);
  later_ += lines;
  if (std::ssize(later_) < kHeldInMemory) return arrow::Status::OK();
  if (scratch_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(scratch_, base::SpillFile::create());
  }
  ARROW_ASSIGN_OR_RAISE(const auto block, scratch_->write(reinterpret_cast<const uint8_t*>(later_.data()), std::ssize(later_)));
  later_on_disk_.push_back(block);
  later_.clear();
  return arrow::Status::OK();
}

arrow::Status DeadLetters::finish() {
  std::lock_guard lock(mutex_);
  if (file_ == nullptr) return arrow::Status::OK();
  if (!waiting_.empty()) return base::internal_error("dead letters of morsel " + std::to_string(next_) + " never came");
  for (const base::SpillBlock& block : later_on_disk_) {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, scratch_->read(block, arrow::default_memory_pool()));
    ARROW_RETURN_NOT_OK(file_->Write(bytes->data(), bytes->size()));
  }
  ARROW_RETURN_NOT_OK(write(later_));
  ARROW_RETURN_NOT_OK(file_->finish());
  file_.reset();
  return arrow::Status::OK();
}

arrow::Status DeadLetters::move_in() {
  std::lock_guard lock(mutex_);
  if (!beside_.empty()) {
    std::error_code ignored;
    fs::create_directories(fs::path(path_).parent_path(), ignored);
    ARROW_RETURN_NOT_OK(moved(beside_, path_));
    beside_.clear();
  }
  if (!set_back_.empty()) std::remove(set_back_.c_str());
  set_back_.clear();
  return arrow::Status::OK();
}

void DeadLetters::abandon() {
  std::lock_guard lock(mutex_);
  if (file_ != nullptr) file_->abandon();
  file_.reset();
  if (!set_back_.empty() && !fs::exists(path_)) (void)moved(set_back_, path_);
  set_back_.clear();
}

}  // namespace gristmill::job
