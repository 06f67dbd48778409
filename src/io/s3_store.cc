// S3 through Arrow's client.
//
// The library must be initialised before the first client and finalised before the process ends, after which every call
// fails; both happen here. Requests are made again by the client itself (our strategy: passing faults, growing pauses); a body that
// ends early is not its concern but fetch()'s.

#include "io/s3_store.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <tuple>

#include <arrow/buffer.h>
#include <arrow/filesystem/s3fs.h>
#include <arrow/util/key_value_metadata.h>

#include "base/status.h"
#include "io/remote_input.h"

namespace gristmill::io {
namespace {

namespace fs = arrow::fs;
using FileSystemPtr = std::shared_ptr<fs::S3FileSystem>;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

bool names_passing_fault(const std::string& text) {
  for (const char* sign : {"SlowDown", "SLOW_DOWN", "RequestTimeout", "REQUEST_TIMEOUT", "ServiceUnavailable", "SERVICE_UNAVAILABLE",
                           "InternalError", "INTERNAL_FAILURE", "Throttl", "THROTTLING", "NETWORK_CONNECTION", "HTTP status 5",
                           "HTTP response code: 5", "RequestTimeTooSkewed", "curlCode"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

class Retries final : public fs::S3RetryStrategy {
 public:
  explicit Retries(int64_t most) : most_(most) {}
  bool ShouldRetry(const AWSErrorDetail& error, int64_t attempted) override {
    return attempted < most_ && (error.should_retry || names_passing_fault(error.exception_name) || names_passing_fault(error.message));
  }
  int64_t CalculateDelayBeforeNextRetry(const AWSErrorDetail&, int64_t attempted) override {
    thread_local std::minstd_rand random(std::random_device{}());
    const int64_t longest = std::min<int64_t>(10'000, int64_t{50} << std::min<int64_t>(attempted, 10));
    return longest / 2 + static_cast<int64_t>(random() % static_cast<uint64_t>(longest / 2 + 1));
  }

 private:
  const int64_t most_;
};

arrow::Status start_library() {
  static const arrow::Status started = [] {
    fs::S3GlobalOptions options = fs::S3GlobalOptions::Defaults();
    options.log_level = std::getenv("ARROW_S3_LOG_LEVEL") == nullptr ? fs::S3LogLevel::Off : options.log_level;
    if (!fs::IsS3Initialized()) ARROW_RETURN_NOT_OK(fs::InitializeS3(options));
    return arrow::Status::OK();
  }();
  return started;
}

arrow::Result<FileSystemPtr> make_client(const StorageOptions& o) {
  ARROW_RETURN_NOT_OK(start_library());
  fs::S3Options s3;
  if (o.anonymous) {
    s3.ConfigureAnonymousCredentials();
  } else if (!o.access_key.empty()) {
    s3.ConfigureAccessKey(o.access_key, o.secret_key, o.session_token);
  } else {
    s3.ConfigureDefaultCredentials();
  }
  if (!o.endpoint.empty()) {
    const size_t at = o.endpoint.find("://");
    if (at != std::string::npos) s3.scheme = o.endpoint.substr(0, at);
    s3.endpoint_override = at == std::string::npos ? o.endpoint : o.endpoint.substr(at + 3);
    while (s3.endpoint_override.ends_with('/')) s3.endpoint_override.pop_back();
    if (s3.scheme != "http" && s3.scheme != "https") return base::plan_error("the endpoint of a store begins with http:// or https://");
  }
  // A store of one's own knows no regions but wants one in the signature.
  if (!o.region.empty()) s3.region = o.region;
  if (s3.region.empty() && !o.endpoint.empty()) s3.region = "us-east-1";
  s3.force_virtual_addressing = !o.path_style;
  s3.connect_timeout = static_cast<double>(o.connect_timeout_ms) / 1000;
  s3.request_timeout = static_cast<double>(o.timeout_ms) / 1000;
  s3.tls_ca_file_path = o.ca_file;
  s3.retry_strategy = std::make_shared<Retries>(o.retries);
  s3.background_writes = true;
  s3.allow_delayed_open = true;  // what fits one part is one request, and leaves nothing to abort
  auto made = fs::S3FileSystem::Make(s3);
  if (!made.ok()) return base::io_error("cannot reach the store: " + first_line(made.status().message()));
  // What the library keeps of its clients is made with the first one and goes in reverse order: finalising must come before that.
  static const int at_exit = std::atexit([] { (void)fs::EnsureS3Finalized(); });
  if (at_exit != 0) return base::internal_error("no room for an exit handler");
  return made;
}

arrow::Result<FileSystemPtr> client_of(const StorageOptions& o) {
  using Key =
      std::tuple<std::string, std::string, std::string, std::string, std::string, std::string, bool, bool, int64_t, int64_t, int64_t>;
  static std::mutex mutex;
  static auto* const clients = new std::map<Key, FileSystemPtr>();  // never destroyed: finalising ends what is in it
  const Key key{o.endpoint,   o.region,    o.access_key, o.secret_key,         o.session_token, o.ca_file,
                o.path_style, o.anonymous, o.timeout_ms, o.connect_timeout_ms, o.retries};
  std::lock_guard lock(mutex);
  FileSystemPtr& client = (*clients)[key];
  if (client == nullptr) {
    ARROW_ASSIGN_OR_RAISE(client, make_client(o));
  }
  return client;
}

arrow::Result<std::string> key_of(const std::string& url) {
  constexpr size_t kScheme = 5;  // s3://
  std::string path = url.substr(kScheme);
  while (path.ends_with('/')) path.pop_back();
  const std::string bucket = path.substr(0, path.find('/'));
  if (bucket.empty()) return base::io_error("no bucket in \"" + url + "\"", url, "write s3://bucket/key");
  if (bucket.find_first_of("@:") != std::string::npos) {
    return base::plan_error("a store's URL holds no credentials", "give them as storage options or in the environment");
  }
  return path;
}

arrow::Status s3_error(const char* what, const std::string& url, const arrow::Status& status) {
  if (status.ok() || base::error_detail(status) != nullptr) return status;
  return base::io_error(std::string("cannot ") + what + " " + url + ": " + first_line(status.message()), url);
}

std::string tag_of(arrow::io::RandomAccessFile& file) {
  const auto metadata = file.ReadMetadata();
  if (!metadata.ok() || *metadata == nullptr) return {};
  return (*metadata)->Get("ETag").ValueOr("") + (*metadata)->Get("Last-Modified").ValueOr("");
}

arrow::Result<FileStamp> stamp_s3(fs::S3FileSystem& client, const std::string& key, std::shared_ptr<arrow::io::RandomAccessFile>* file) {
  ARROW_ASSIGN_OR_RAISE(auto in, client.OpenInputFile(key));
  FileStamp stamp;
  ARROW_ASSIGN_OR_RAISE(stamp.bytes, in->GetSize());
  stamp.tag = tag_of(*in);
  if (file != nullptr) *file = std::move(in);
  return stamp;
}

class S3Input final : public RemoteInput {
 public:
  S3Input(std::string url, FileStamp stamp, StoragePtr storage, FileSystemPtr client, std::string key,
          std::shared_ptr<arrow::io::RandomAccessFile> object)
      : RemoteInput(std::move(url), std::move(stamp), std::move(storage)),
        client_(std::move(client)),
        key_(std::move(key)),
        object_(std::move(object)) {}

  arrow::Status fetch(int64_t offset, int64_t bytes, uint8_t* out) const override {
    const auto got = object_->ReadAt(offset, bytes, out);
    if (!got.ok()) return names_passing_fault(got.status().message()) ? passing(got.status()) : got.status();
    if (*got == bytes) return arrow::Status::OK();
    return passing(arrow::Status::IOError("the body ended after ", *got, " of ", bytes, " bytes"));
  }

  arrow::Status check_unchanged() const override {
    const auto now = stamp_s3(*client_, key_, nullptr);
    if (!now.ok()) return names_passing_fault(now.status().message()) ? passing(now.status()) : now.status();
    if (*now == stamp()) return arrow::Status::OK();
    return base::io_error("object changed since the scan was made: " + path(), path());
  }

 private:
  const FileSystemPtr client_;
  const std::string key_;
  const std::shared_ptr<arrow::io::RandomAccessFile> object_;  // ReadAt is one request and may be called by several threads
};

// Bounds the parts on their way: the client would take as many as it is given.
class S3Upload final : public arrow::io::OutputStream {
 public:
  explicit S3Upload(std::shared_ptr<arrow::io::OutputStream> out) : out_(std::move(out)) {}
  ~S3Upload() override {
    if (!out_->closed()) (void)out_->Abort();
  }
  arrow::Status Write(const void* data, int64_t bytes) override {
    const auto* p = static_cast<const uint8_t*>(data);
    for (int64_t at = 0; at < bytes;) {
      const int64_t n = std::min(bytes - at, kMostWaiting - waiting_);
      ARROW_RETURN_NOT_OK(out_->Write(p + at, n));
      at += n;
      waiting_ += n;
      if (waiting_ < kMostWaiting) continue;
      ARROW_RETURN_NOT_OK(out_->Flush());
      waiting_ = 0;
    }
    return arrow::Status::OK();
  }
  arrow::Status Flush() override { return arrow::Status::OK(); }
  arrow::Result<int64_t> Tell() const override { return out_->Tell(); }
  // A close that fails leaves the parts in the store, and an abort after it does nothing. So all parts but the last are waited for
  // before: when one of them fails there is still an upload to abort.
  arrow::Status Close() override {
    if (!out_->closed()) ARROW_RETURN_NOT_OK(out_->Flush());
    return out_->Close();
  }
  arrow::Status Abort() override { return out_->Abort(); }
  bool closed() const override { return out_->closed(); }

 private:
  static constexpr int64_t kMostWaiting = int64_t{32} << 20;
  const std::shared_ptr<arrow::io::OutputStream> out_;
  int64_t waiting_ = 0;
};

}  // namespace

arrow::Result<InputPtr> find_s3(const std::string& url, const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, key_of(url));
  ARROW_ASSIGN_OR_RAISE(const FileSystemPtr client, client_of(*storage));
  std::shared_ptr<arrow::io::RandomAccessFile> object;
  auto stamp = stamp_s3(*client, key, &object);
  if (!stamp.ok()) {
    const auto kind = kind_s3(url, storage);
    if (kind.ok() && *kind == ObjectKind::kMissing) return base::io_error("file not found: " + url, url);
    return s3_error("read", url, stamp.status());
  }
  return std::make_shared<S3Input>(url, std::move(*stamp), storage, client, key, std::move(object));
}

arrow::Result<std::vector<ObjectName>> list_s3(const std::string& url, bool deep, const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, key_of(url));
  ARROW_ASSIGN_OR_RAISE(const FileSystemPtr client, client_of(*storage));
  fs::FileSelector select;
  select.base_dir = key;
  select.recursive = deep;
  select.allow_not_found = true;
  const auto found = client->GetFileInfo(select);
  ARROW_RETURN_NOT_OK(s3_error("list", url, found.status()));
  std::vector<ObjectName> out;
  for (const fs::FileInfo& f : *found) out.push_back({"s3://" + f.path(), f.type() == fs::FileType::Directory});
  return out;
}

arrow::Result<ObjectKind> kind_s3(const std::string& url, const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, key_of(url));
  ARROW_ASSIGN_OR_RAISE(const FileSystemPtr client, client_of(*storage));
  const auto info = client->GetFileInfo(key);
  ARROW_RETURN_NOT_OK(s3_error("read", url, info.status()));
  switch (info->type()) {
    case fs::FileType::NotFound: return ObjectKind::kMissing;
    case fs::FileType::Directory: return ObjectKind::kPrefix;
    default: return ObjectKind::kObject;
  }
}

arrow::Result<std::shared_ptr<arrow::io::OutputStream>> create_s3(const std::string& url, const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, key_of(url));
  if (key.find('/') == std::string::npos) return base::io_error("cannot write " + url + ": it is a bucket", url);
  ARROW_ASSIGN_OR_RAISE(const FileSystemPtr client, client_of(*storage));
  auto made = client->OpenOutputStream(key, nullptr);
  ARROW_RETURN_NOT_OK(s3_error("write", url, made.status()));
  return std::make_shared<S3Upload>(std::move(*made));
}

arrow::Status delete_s3(const std::string& url, const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(const std::string key, key_of(url));
  ARROW_ASSIGN_OR_RAISE(const FileSystemPtr client, client_of(*storage));
  return s3_error("delete", url, client->DeleteFile(key));
}

}  // namespace gristmill::io
