// The module's table behind inputs.

#include "io/connect/http_input.h"

#include <algorithm>
#include <mutex>

#include <arrow/buffer.h>

#include "base/status.h"
#include "io/connect/load_module.h"
#include "io/connect/module/http_module.h"
#include "io/remote_input.h"
#include "io/spool.h"

namespace gristmill::io {
namespace {

arrow::Result<const GmHttpTable*> module_table() {
  static const GmHttpTable* table = nullptr;  // the module stays open, so the first answer holds
  if (table != nullptr) return table;
  ARROW_ASSIGN_OR_RAISE(void* entry, load_module("libgristmill_http.so", GM_HTTP_ENTRY));
  const GmHttpTable* found = reinterpret_cast<GmHttpEntry>(entry)();
  if (found->abi != GM_HTTP_ABI) return base::io_error("libgristmill_http.so belongs to another version of the engine");
  return table = found;
}

// Without query and fragment.
std::string shown(const std::string& url) { return url.substr(0, url.find_first_of("?#")); }

arrow::Status check_url(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  const std::string host = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  if (host.empty()) return base::io_error("no host in \"" + shown(url) + "\"", shown(url));
  if (host.find('@') != std::string::npos) {
    return base::plan_error("a URL holds no user and password",
                            "storage_options={\"bearer_token\": ...} gives what the server wants to see");
  }
  return arrow::Status::OK();
}

class Transfer {
 public:
  static arrow::Result<std::unique_ptr<Transfer>> open(const std::string& url, const StorageOptions& o, int64_t from, int64_t to) {
    ARROW_ASSIGN_OR_RAISE(const GmHttpTable* table, module_table());
    const GmHttpRequest request{url.c_str(), from, to, o.bearer_token.c_str(), o.ca_file.c_str(), o.timeout_ms, o.connect_timeout_ms};
    int outcome = GM_HTTP_FAILED;
    GmHttp* t = table->open(&request, &outcome);
    if (t == nullptr) return arrow::Status::OutOfMemory("no memory for an HTTP request");
    std::unique_ptr<Transfer> out(new Transfer(table, t));
    if (outcome != GM_HTTP_OK) return out->failure();
    return out;
  }
  ~Transfer() { table_->close(t_); }

  const GmHttpReply& reply() const { return *table_->reply(t_); }

  // Up to `bytes` bytes, fewer only at the end of the body.
  arrow::Result<int64_t> read(uint8_t* out, int64_t bytes) {
    int64_t done = 0;
    while (done < bytes) {
      int64_t got = 0;
      if (table_->read(t_, out + done, bytes - done, &got) != GM_HTTP_OK) {
        if (done > 0) return done;  // the next call says what is wrong
        return failure();
      }
      if (got == 0) break;
      done += got;
    }
    return done;
  }

  // What an answer without the wanted bytes means.
  arrow::Status refusal() const {
    const long status = reply().status;
    const std::string text = "HTTP status " + std::to_string(status);
    const bool may_pass = status == 408 || status == 425 || status == 429 || status >= 500;
    if (may_pass && status != 501 && status != 505) return passing(arrow::Status::IOError(text));
    return arrow::Status::IOError(text);
  }

 private:
  Transfer(const GmHttpTable* table, GmHttp* t) : table_(table), t_(t) {}
  arrow::Status failure() const {
    const GmHttpReply& r = reply();
    const auto status = arrow::Status::IOError(r.error[0] != '\0' ? r.error : "the request failed");
    return r.passing != 0 ? passing(status) : status;
  }

  const GmHttpTable* const table_;
  GmHttp* const t_;
};

std::string tag_of(const GmHttpReply& r) { return std::string(r.tag) + " " + r.modified; }

arrow::Status changed(const std::string& path) { return base::io_error("file changed since the scan was made: " + path, path); }

arrow::Status named(const std::string& path, const arrow::Status& status) {
  if (status.ok() || status.IsOutOfMemory() || base::error_detail(status) != nullptr) return status;
  const std::string& text = status.message();
  if (text == "HTTP status 404" || text == "HTTP status 410") return base::io_error("file not found: " + path + " (" + text + ")", path);
  const bool refused = text == "HTTP status 401" || text == "HTTP status 403";
  return base::io_error("cannot read " + path + ": " + text, path,
                        refused ? "storage_options={\"bearer_token\": ...} gives what the server wants to see" : "");
}

class HttpInput final : public RemoteInput {
 public:
  HttpInput(std::string url, FileStamp stamp, StoragePtr storage)
      : RemoteInput(shown(url), std::move(stamp), std::move(storage)), url_(std::move(url)) {}

  arrow::Status fetch(int64_t offset, int64_t bytes, uint8_t* out) const override {
    ARROW_ASSIGN_OR_RAISE(const auto t, Transfer::open(url_, storage(), offset, offset + bytes - 1));
    const GmHttpReply& r = t->reply();
    if (r.status == 416) return changed(path());
    if (r.status == 200) return base::io_error("cannot read " + path() + ": the server has stopped giving ranges of it", path());
    if (r.status != 206) return t->refusal();
    if (tag_of(r) != stamp().tag || (r.total >= 0 && r.total != stamp().bytes)) return changed(path());
    if (r.range_begin != offset) return arrow::Status::IOError("the server gave another range than was asked for");
    ARROW_ASSIGN_OR_RAISE(const int64_t got, t->read(out, bytes));
    if (got == bytes) return arrow::Status::OK();
    return passing(arrow::Status::IOError("the body ended after ", got, " of ", bytes, " bytes"));
  }

  arrow::Status check_unchanged() const override { return arrow::Status::OK(); }  // each answer was checked

 private:
  const std::string url_;
};

// A body front to back; when it breaks off it is asked for anew and what was given out is passed over.
class HttpStream final : public arrow::io::InputStream {
 public:
  HttpStream(std::string url, std::string tag, StoragePtr storage, arrow::MemoryPool* pool)
      : url_(std::move(url)), tag_(std::move(tag)), storage_(std::move(storage)), pool_(pool) {}
  arrow::Status Close() override {
    transfer_.reset();
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }

  // Fewer than `bytes` only at the end of the body: who reads a stream takes a short answer for that.
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    int64_t done = 0;
    while (done < bytes) {
      int64_t got = 0;
      const arrow::Status status = with_retries(storage_->retries, nullptr, [&]() -> arrow::Status {
        const arrow::Status once = [&]() -> arrow::Status {
          if (transfer_ == nullptr) ARROW_RETURN_NOT_OK(begin());
          ARROW_ASSIGN_OR_RAISE(got, transfer_->read(static_cast<uint8_t*>(out) + done, bytes - done));
          return arrow::Status::OK();
        }();
        if (!once.ok()) transfer_.reset();
        return once;
      });
      ARROW_RETURN_NOT_OK(named(shown(url_), status));
      if (got == 0) break;
      done += got;
      at_ += got;
    }
    return done;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(bytes, pool_));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, Read(bytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  arrow::Status begin() {
    ARROW_ASSIGN_OR_RAISE(transfer_, Transfer::open(url_, *storage_, -1, -1));
    if (transfer_->reply().status != 200) return transfer_->refusal();
    if (tag_of(transfer_->reply()) != tag_) return changed(shown(url_));
    std::vector<uint8_t> room(static_cast<size_t>(std::min<int64_t>(at_, int64_t{1} << 20)));
    for (int64_t left = at_; left > 0;) {
      ARROW_ASSIGN_OR_RAISE(const int64_t n, transfer_->read(room.data(), std::min<int64_t>(left, std::ssize(room))));
      if (n == 0) return changed(shown(url_));
      left -= n;
    }
    return arrow::Status::OK();
  }

  const std::string url_, tag_;
  const StoragePtr storage_;
  arrow::MemoryPool* const pool_;
  std::unique_ptr<Transfer> transfer_;
  int64_t at_ = 0;
  bool closed_ = false;
};

// Of a server that gives no ranges.
class HttpWhole final : public Input {
 public:
  HttpWhole(std::string url, FileStamp stamp, StoragePtr storage)
      : Input(shown(url), std::move(stamp)), url_(std::move(url)), storage_(std::move(storage)) {}

  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(arrow::MemoryPool* pool) const override {
    std::lock_guard lock(mutex_);
    if (spool_ == nullptr) {
      HttpStream all(url_, stamp().tag, storage_, arrow::default_memory_pool());
      ARROW_ASSIGN_OR_RAISE(spool_, Spool::of(all));
    }
    return spool_->open(pool);
  }
  arrow::Result<std::shared_ptr<arrow::io::InputStream>> stream(arrow::MemoryPool* pool) const override {
    std::lock_guard lock(mutex_);
    if (spool_ != nullptr) return spool_->open(pool);
    return std::make_shared<HttpStream>(url_, stamp().tag, storage_, pool);
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> head(int64_t bytes, arrow::MemoryPool* pool) const override {
    ARROW_ASSIGN_OR_RAISE(const auto in, stream(pool));
    return in->Read(bytes);
  }

 private:
  const std::string url_;
  const StoragePtr storage_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Spool> spool_;
};

}  // namespace

arrow::Result<InputPtr> find_http(const std::string& url, const StoragePtr& storage) {
  ARROW_RETURN_NOT_OK(check_url(url));
  InputPtr out;
  const arrow::Status status = with_retries(storage->retries, nullptr, [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto t, Transfer::open(url, *storage, 0, 0));
    const GmHttpReply& r = t->reply();
    FileStamp stamp;
    stamp.tag = tag_of(r);
    if (r.status == 206 && r.total >= 0) {
      stamp.bytes = r.total;
      out = std::make_shared<HttpInput>(url, std::move(stamp), storage);
    } else if (r.status == 416 && r.total == 0) {  // there is no first byte
      out = std::make_shared<HttpInput>(url, std::move(stamp), storage);
    } else if (r.status == 200 || r.status == 206 || r.status == 416) {
      if (r.status == 200) stamp.bytes = std::max<int64_t>(r.length, 0);
      out = std::make_shared<HttpWhole>(url, std::move(stamp), storage);
    } else {
      return t->refusal();
    }
    return arrow::Status::OK();
  });
  ARROW_RETURN_NOT_OK(named(shown(url), status));
  return out;
}

}  // namespace gristmill::io
