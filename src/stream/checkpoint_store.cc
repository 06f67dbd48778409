// Folders of epochs on disk and in stores.

#include "stream/checkpoint_store.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/status.h"
#include "io/open_input.h"
#include "io/s3_store.h"
#include "stream/checkpoint_manifest.h"

namespace gristmill::stream {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "epoch-";
constexpr const char* kManifest = "/manifest.json";
constexpr const char* kState = "/state";
constexpr const char* kOwner = "/owner";
constexpr size_t kDigits = 12;

int64_t epoch_of(const std::string& path) {
  std::string name = path;
  while (name.ends_with('/')) name.pop_back();
  name = name.substr(name.rfind('/') + 1);
  const size_t prefix = std::strlen(kPrefix);
  if (!name.starts_with(kPrefix) || name.size() < prefix + kDigits) return -1;
  const std::string digits = name.substr(prefix);
  if (digits.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::strtoll(digits.c_str(), nullptr, 10);
}

std::string random_id() {
  uint64_t bits[2] = {};
  if (::getrandom(bits, sizeof bits, 0) != sizeof bits) bits[0] = static_cast<uint64_t>(::getpid());
  char text[40];
  std::snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, bits[0], bits[1]);
  return text;
}

// A folder's new entries outlive the machine's end.
arrow::Status sync_folder(const std::string& path) {
  const int d = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0) return base::io_error("cannot open the folder " + path + ": " + std::strerror(errno), path);
  ::fsync(d);  // some file systems refuse; the entries themselves are there
  ::close(d);
  return arrow::Status::OK();
}

arrow::Status write_whole(const std::string& path, std::string_view text, const io::StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const auto file, io::OutputFile::create(path, storage));
  const arrow::Status status = file->Write(text.data(), std::ssize(text));
  if (!status.ok()) {
    file->abandon();
    return status;
  }
  return file->finish();
}

arrow::Result<std::string> read_whole(const std::string& path, const io::StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const auto input, io::find_input(path, storage));
  ARROW_ASSIGN_OR_RAISE(const auto file, input->open(arrow::default_memory_pool()));
  ARROW_ASSIGN_OR_RAISE(const auto bytes, file->ReadAt(0, input->stamp().bytes));
  return bytes->ToString();
}

arrow::Status removal_failed(const std::string& path, const std::error_code& failed) {
  return base::io_error("cannot remove " + path + ": " + failed.message(), path);
}

}  // namespace

const CheckpointPart* Checkpoint::find(std::string_view name) const {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const CheckpointPart& p) { return p.name == name; });
  return found == parts.end() ? nullptr : &*found;
}

CheckpointStore::CheckpointStore(std::string path, io::StoragePtr storage, bool remote)
    : path_(std::move(path)), storage_(std::move(storage)), remote_(remote) {}

arrow::Result<std::shared_ptr<CheckpointStore>> CheckpointStore::open(const std::string& given, const io::StoragePtr& storage) {
  std::string path = given;
  const std::string scheme = io::scheme_of(path);
  if (scheme == "file") path = path.substr(7);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.empty()) return base::plan_error("the folder for checkpoints has no name");
  if (!scheme.empty() && scheme != "file" && scheme != "s3") {
    return base::plan_error("checkpoints cannot be kept in \"" + given + "\"", "a local folder, or s3://bucket/prefix");
  }
  const bool remote = scheme == "s3";
  io::StoragePtr options = storage;
  if (remote) {
    ARROW_ASSIGN_OR_RAISE(options, io::or_environment(storage));
  }
  return std::shared_ptr<CheckpointStore>(new CheckpointStore(std::move(path), std::move(options), remote));
}

std::string CheckpointStore::folder_of(int64_t epoch) const {
  char name[32];
  std::snprintf(name, sizeof name, "%s%012" PRId64, kPrefix, epoch);
  return path_ + "/" + name;
}

arrow::Result<std::vector<int64_t>> CheckpointStore::folders() const {
  std::vector<int64_t> out;
  if (remote_) {
    ARROW_ASSIGN_OR_RAISE(const auto found, io::list_s3(path_, false, storage_));
    for (const io::ObjectName& o : found) {
      if (o.directory && epoch_of(o.path) >= 0) out.push_back(epoch_of(o.path));
    }
  } else {
    std::error_code failed;
    if (!fs::exists(path_, failed)) return out;
    for (auto at = fs::directory_iterator(path_, failed); !failed && at != fs::directory_iterator(); at.increment(failed)) {
      if (at->is_directory(failed) && epoch_of(at->path().string()) >= 0) out.push_back(epoch_of(at->path().string()));
    }
    if (failed) return base::io_error("cannot list " + path_ + ": " + failed.message(), path_);
  }
  std::sort(out.begin(), out.end());
  return out;
}

arrow::Result<std::vector<int64_t>> CheckpointStore::epochs() const {
  ARROW_ASSIGN_OR_RAISE(std::vector<int64_t> all, folders());
  std::vector<int64_t> out;
  for (const int64_t epoch : all) {
    const std::string manifest = folder_of(epoch) + kManifest;
    bool there = false;
    if (remote_) {
      ARROW_ASSIGN_OR_RAISE(const io::ObjectKind kind, io::kind_s3(manifest, storage_));
      there = kind == io::ObjectKind::kObject;
    } else {
      std::error_code failed;
      there = fs::exists(manifest, failed);
    }
    if (there) out.push_back(epoch);
  }
  return out;
}

arrow::Result<Checkpoint> CheckpointStore::inspect(int64_t epoch) const {
  ARROW_ASSIGN_OR_RAISE(const auto all, epochs());
  if (std::find(all.begin(), all.end(), epoch) == all.end()) {
    return base::io_error("there is no checkpoint of epoch " + std::to_string(epoch) + " in " + path_, path_,
                          all.empty() ? "there is none at all" : "the newest is of epoch " + std::to_string(all.back()));
  }
  const std::string path = folder_of(epoch);
  ARROW_ASSIGN_OR_RAISE(const std::string text, read_whole(path + kManifest, storage_));
  ARROW_ASSIGN_OR_RAISE(Checkpoint out, read_manifest(text, path + kManifest));
  if (out.epoch != epoch) return base::io_error("the manifest of " + path + " is of epoch " + std::to_string(out.epoch), path);
  out.path = path;
  return out;
}

arrow::Result<std::vector<Checkpoint>> CheckpointStore::list(std::vector<std::string>* damaged) const {
  ARROW_ASSIGN_OR_RAISE(const auto all, epochs());
  std::vector<Checkpoint> out;
  for (const int64_t epoch : all) {
    auto one = inspect(epoch);
    if (one.ok()) {
      out.push_back(std::move(*one));
    } else if (damaged == nullptr) {
      return one.status();
    } else {
      damaged->push_back(one.status().message());
    }
  }
  return out;
}

arrow::Result<Checkpoint> CheckpointStore::newest(int64_t most) const {
  ARROW_ASSIGN_OR_RAISE(const auto all, epochs());
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    if (*at <= most) return inspect(*at);
  }
  return Checkpoint{};
}

arrow::Result<std::shared_ptr<arrow::Buffer>> CheckpointStore::read(const Checkpoint& checkpoint, const CheckpointPart& part,
                                                                    arrow::MemoryPool* pool) const {
  const std::string path = checkpoint.path + kState;
  ARROW_ASSIGN_OR_RAISE(const auto input, io::find_input(path, storage_));
  ARROW_ASSIGN_OR_RAISE(const auto file, input->open(pool));
  ARROW_ASSIGN_OR_RAISE(auto bytes, file->ReadAt(part.offset, part.bytes));
  const bool same = bytes->size() == part.bytes && XXH3_64bits(bytes->data(), static_cast<size_t>(bytes->size())) == part.checksum;
  if (same) return bytes;
  return base::io_error("the part \"" + part.name + "\" of the checkpoint " + checkpoint.path + " is damaged", path,
                        "gristmill checkpoint list shows others");
}

arrow::Status CheckpointStore::take_over() {
  if (!remote_) {
    std::error_code failed;
    fs::create_directories(path_, failed);
    if (failed) return base::io_error("cannot make the folder " + path_ + ": " + failed.message(), path_);
  }
  owner_ = random_id();
  return write_whole(path_ + kOwner, owner_, storage_);
}

arrow::Status CheckpointStore::check_owner() const {
  ARROW_ASSIGN_OR_RAISE(const std::string now, read_whole(path_ + kOwner, storage_));
  if (now == owner_) return arrow::Status::OK();
  return base::io_error("another run writes its checkpoints into " + path_ + " now", path_, "each stream has a folder of its own");
}

arrow::Result<std::unique_ptr<CheckpointWriter>> CheckpointStore::begin(int64_t epoch) {
  if (epoch < 1) return base::internal_error("epochs count from 1");
  if (owner_.empty()) ARROW_RETURN_NOT_OK(take_over());
  ARROW_RETURN_NOT_OK(check_owner());
  ARROW_RETURN_NOT_OK(remove_epoch(epoch));
  const std::string folder = folder_of(epoch);
  if (!remote_) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) return base::io_error("cannot make the folder " + folder + ": " + failed.message(), folder);
  }
  ARROW_ASSIGN_OR_RAISE(auto state, io::OutputFile::create(folder + kState, storage_));
  Checkpoint checkpoint;
  checkpoint.epoch = epoch;
  checkpoint.path = folder;
  return std::unique_ptr<CheckpointWriter>(new CheckpointWriter(shared_from_this(), std::move(state), std::move(checkpoint)));
}

// The manifest goes first: what is left of a removal that was cut off is no checkpoint.
arrow::Status CheckpointStore::remove_epoch(int64_t epoch) const {
  const std::string folder = folder_of(epoch);
  if (remote_) {
    ARROW_ASSIGN_OR_RAISE(const auto found, io::list_s3(folder, true, storage_));
    const std::string manifest = folder + kManifest;
    for (const bool manifests : {true, false}) {
      for (const io::ObjectName& o : found) {
        if (!o.directory && (o.path == manifest) == manifests) ARROW_RETURN_NOT_OK(io::delete_s3(o.path, storage_));
      }
    }
    return arrow::Status::OK();
  }
  std::error_code failed;
  if (!fs::exists(folder, failed)) return arrow::Status::OK();
  fs::remove(folder + kManifest, failed);
  if (failed) return removal_failed(folder + kManifest, failed);
  fs::remove_all(folder, failed);
  return failed ? removal_failed(folder, failed) : arrow::Status::OK();
}

arrow::Status CheckpointStore::remove_old(int keep) {
  ARROW_ASSIGN_OR_RAISE(const auto whole, epochs());
  ARROW_ASSIGN_OR_RAISE(const auto all, folders());
  if (whole.empty()) return arrow::Status::OK();
  const int64_t first_kept = std::ssize(whole) > keep ? whole[whole.size() - static_cast<size_t>(keep)] : whole.front();
  for (const int64_t epoch : all) {
    const bool complete = std::binary_search(whole.begin(), whole.end(), epoch);
    if (epoch < first_kept || (!complete && epoch < whole.back())) ARROW_RETURN_NOT_OK(remove_epoch(epoch));
  }
  return arrow::Status::OK();
}

arrow::Status CheckpointStore::remove_after(int64_t epoch) {
  ARROW_ASSIGN_OR_RAISE(auto all, folders());
  for (auto at = all.rbegin(); at != all.rend() && *at > epoch; ++at) ARROW_RETURN_NOT_OK(remove_epoch(*at));
  return arrow::Status::OK();
}

CheckpointWriter::CheckpointWriter(std::shared_ptr<CheckpointStore> store, std::shared_ptr<io::OutputFile> state, Checkpoint checkpoint)
    : store_(std::move(store)), state_(std::move(state)), checkpoint_(std::move(checkpoint)) {}

CheckpointWriter::~CheckpointWriter() {
  if (state_ != nullptr) state_->abandon();
}

arrow::Status CheckpointWriter::add(const std::string& name, const arrow::Buffer& bytes) {
  return add(name, std::string_view(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(bytes.size())));
}

arrow::Status CheckpointWriter::add(const std::string& name, std::string_view bytes) {
  if (state_ == nullptr) return base::internal_error("a part after the end of a checkpoint");
  if (checkpoint_.find(name) != nullptr) return base::internal_error("two parts \"" + name + "\" in a checkpoint");
  ARROW_RETURN_NOT_OK(state_->Write(bytes.data(), std::ssize(bytes)));
  checkpoint_.parts.push_back({name, checkpoint_.bytes, std::ssize(bytes), XXH3_64bits(bytes.data(), bytes.size())});
  checkpoint_.bytes += std::ssize(bytes);
  return arrow::Status::OK();
}

arrow::Result<Checkpoint> CheckpointWriter::commit(int64_t now_micros) {
  if (state_ == nullptr) return base::internal_error("a checkpoint committed twice");
  const auto state = std::move(state_);
  state_ = nullptr;
  ARROW_RETURN_NOT_OK(state->finish());
  if (!store_->remote_) ARROW_RETURN_NOT_OK(sync_folder(store_->path_));
  ARROW_RETURN_NOT_OK(store_->check_owner());
  checkpoint_.created_micros = now_micros;
  ARROW_RETURN_NOT_OK(write_whole(checkpoint_.path + kManifest, write_manifest(checkpoint_), store_->storage_));
  (void)store_->remove_old();  // what stays is in nobody's way, and goes with the next one
  return checkpoint_;
}

}  // namespace gristmill::stream
