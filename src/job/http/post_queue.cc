// Posts wait in a queue; whoever ends one begins the next.

#include "job/http/post_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/status.h"
#include "column/selection.h"
#include "io/transfer.h"

namespace gristmill::job {
namespace {

// FNV-1a in 128 bits: the same in every build and on every machine.
std::string content_key(uint64_t number, std::string_view url, std::string_view body) {
  using Wide = unsigned __int128;
  const Wide prime = (Wide{1} << 88) + 0x13b;
  Wide h = (Wide{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
  const auto mix = [&](std::string_view s) {
    for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * prime;
  };
  mix(url);
  mix(body);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (int shift = 124; shift >= 0; shift -= 4) out += kHex[static_cast<int>(h >> shift) & 15];
  return out + "-" + std::to_string(number);
}

}  // namespace

void PostQueue::add(const column::Batch& batch, int64_t row, std::string_view text) {
  const int64_t around = options_.array ? 2 : 1;
  if (open_.rows > 0 && (open_.rows >= options_.most_rows || std::ssize(open_.body) + std::ssize(text) + around > options_.most_bytes)) {
    cut();
  }
  if (options_.array) open_.body += open_.rows == 0 ? '[' : ',';
  open_.body += text;
  if (!options_.array) open_.body += '\n';
  open_.rows += 1;
  rows_ += 1;
  if (current_ == nullptr) {
    current_ = &batch;
    open_first_ = row;
  }
  open_last_ = row;
}

void PostQueue::end_batch() {
  if (current_ == nullptr) return;
  open_.batches.push_back(column::slice(*current_, open_first_, open_last_ + 1 - open_first_));
  current_ = nullptr;
}

void PostQueue::cut() {
  end_batch();
  if (open_.rows == 0) return;
  if (options_.array) open_.body += ']';
  auto post = std::make_shared<Post>(std::move(open_));
  open_ = Post{};
  post->number = next_number_++;
  post->first_row = rows_ - post->rows;
  post->bytes = post->body_bytes = std::ssize(post->body);
  for (const column::Batch& b : post->batches) post->bytes += b.rows * 16;
  std::unique_lock lock(mutex_);
  bytes_ += post->bytes;
  posts_.push_back(std::move(post));
  begin_waiting(lock);
}

void PostQueue::begin_waiting(std::unique_lock<std::mutex>& lock) {
  while (!failed_ && under_way_ < options_.concurrency) {
    const auto at = std::find_if(posts_.begin(), posts_.end(), [](const auto& p) { return p->fate == Fate::kWaiting; });
    if (at == posts_.end()) return;
    const std::shared_ptr<Post> post = *at;
    post->fate = Fate::kUnderWay;
    under_way_ += 1;
    HttpRequest request = options_.request;
    if (!options_.key_header.empty())
      request.headers.push_back(options_.key_header + ": " + content_key(post->number, request.url, post->body));
    request.body = std::move(post->body);
    lock.unlock();
    service_.calls().call(std::move(request), post->number,
                          [this, number = post->number](CallResult result) { ended(number, std::move(result)); });
    lock.lock();
  }
}

void PostQueue::ended(uint64_t number, CallResult result) {
  base::WaitHandlePtr wake;
  {
    std::unique_lock lock(mutex_);
    const auto post = std::find_if(posts_.begin(), posts_.end(), [&](const auto& p) { return p->number == number; });
    (*post)->fate = Fate::kEnded;
    failed_ |= !result.status.ok();
    (*post)->result = std::move(result);
    under_way_ -= 1;
    begin_waiting(lock);
    wake = std::move(waiting_);
    changed_.notify_all();
  }
  if (wake != nullptr) wake->fire();
}

arrow::Status PostQueue::judge() {
  while (true) {
    std::shared_ptr<Post> post;
    {
      std::lock_guard lock(mutex_);
      if (posts_.empty() || posts_.front()->fate != Fate::kEnded) return arrow::Status::OK();
      post = posts_.front();
    }
    if (post->result.status.ok()) {
      delivered_rows_ += post->rows;
      delivered_posts_ += 1;
      io::count_transfer(post->body_bytes);
      add_range(delivered_, post->first_row, post->first_row + post->rows);
    } else {
      ARROW_RETURN_NOT_OK(refuse(*post));
    }
    std::unique_lock lock(mutex_);
    posts_.pop_front();
    bytes_ -= post->bytes;
    failed_ = std::any_of(posts_.begin(), posts_.end(), [](const auto& p) { return p->fate == Fate::kEnded && !p->result.status.ok(); });
    begin_waiting(lock);
  }
}

arrow::Status PostQueue::refuse(Post& post) {
  const std::string rows = "rows " + std::to_string(post.first_row) + " to " + std::to_string(post.first_row + post.rows - 1);
  std::string why = "the service did not take " + rows + ": " + service_.failure(post.result);
  if (!post.result.untouched) why += "; it may have them nevertheless";
  arrow::Status status = post.result.hopeless ? post.result.status : base::io_error(why);
  if (!post.result.hopeless) {
    arrow::Status judged;
    for (const column::Batch& b : post.batches) {
      judged = refuse_(b, status);
      if (!judged.ok()) break;
    }
    if (judged.ok()) {
      if (!post.result.untouched) add_range(unknown_, post.first_row, post.first_row + post.rows);
      return judged;
    }
    status = judged;
  }
  // The run fails: nothing else begins, what is under way ends, and then it is said what the service has.
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return under_way_ == 0; });
  }
  return status.WithMessage(status.message(), "; ", account());
}

std::string PostQueue::account() {
  std::lock_guard lock(mutex_);
  int64_t unsent = rows_;
  for (const auto& post : posts_) {
    if (post->fate == Fate::kWaiting) {
      unsent = std::min(unsent, post->first_row);
    } else if (post->result.status.ok()) {
      add_range(delivered_, post->first_row, post->first_row + post->rows);
    } else if (!post->result.untouched) {
      add_range(unknown_, post->first_row, post->first_row + post->rows);
    }
  }
  std::string out = delivered_.empty() ? "no row was delivered" : "delivered: rows " + ranges_text(delivered_);
  if (!unknown_.empty()) out += "; not known: rows " + ranges_text(unknown_);
  if (unsent < rows_ || open_.rows > 0) out += "; not sent: rows from " + std::to_string(std::min(unsent, rows_ - open_.rows)) + " on";
  return out;
}

void PostQueue::add_range(std::vector<Range>& to, int64_t first, int64_t end) {
  if (!to.empty() && to.back().end == first) {
    to.back().end = end;
  } else {
    to.push_back({first, end});
  }
}

std::string PostQueue::ranges_text(const std::vector<Range>& ranges) {
  std::string out;
  for (const Range& r : ranges) out += (out.empty() ? "" : ", ") + std::to_string(r.first) + " to " + std::to_string(r.end - 1);
  return out;
}

base::WaitHandlePtr PostQueue::room() {
  std::lock_guard lock(mutex_);
  if (std::ssize(posts_) < 2 * options_.concurrency) return nullptr;
  if (posts_.front()->fate == Fate::kEnded) return nullptr;  // judge() makes room
  if (waiting_ == nullptr) waiting_ = std::make_shared<base::WaitHandle>();
  return waiting_;
}

bool PostQueue::idle() {
  std::lock_guard lock(mutex_);
  return posts_.empty();
}

void PostQueue::wait_some() {
  std::unique_lock lock(mutex_);
  if (posts_.empty() || posts_.front()->fate == Fate::kEnded) return;
  changed_.wait_for(lock, std::chrono::milliseconds(100));
}

int64_t PostQueue::held_bytes() {
  std::lock_guard lock(mutex_);
  return bytes_ + std::ssize(open_.body);
}

}  // namespace gristmill::job
