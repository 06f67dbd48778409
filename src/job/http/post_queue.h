// Batches of rows on their way to a service: cut by rows and bytes, posted in order, judged in order.
//
// The cuts depend on the rows and the options alone, so the same rows are the same posts, with the same idempotency keys, in every run. At
// most `concurrency` posts are at the service; with one they arrive in order. After a post that has failed no other begins until that one
// was judged: so when the run fails, what was delivered is known exactly.
//
// Called by one thread at a time, answers come on others.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "base/waiting.h"
#include "column/batch.h"
#include "job/http/remote_service.h"

namespace gristmill::job {

struct PostOptions {
  int64_t most_rows = 500;
  int64_t most_bytes = int64_t{1} << 20;
  bool array = false;      // a JSON array; else a JSON object a line
  std::string key_header;  // empty: none
  HttpRequest request;     // without body
  int64_t concurrency = 1;
};

class PostQueue {
 public:
  // What is done with the rows of a post that has failed: OK, and the others go on; or the error of the run.
  using Refuse = std::function<arrow::Status(const column::Batch& rows, const arrow::Status& why)>;
  PostQueue(PostOptions options, RemoteService& service, Refuse refuse)
      : options_(std::move(options)), service_(service), refuse_(std::move(refuse)) {}

  // Row `row` of `batch`, written as `text`. A batch's rows come in order, and end_batch() after its last one.
  void add(const column::Batch& batch, int64_t row, std::string_view text);
  void end_batch();
  void cut();  // what was added so far is a post
  // Judges the posts that have ended, in order. An error says what was delivered.
  arrow::Status judge();
  // Null when more rows may come; else fires when one more post has ended.
  base::WaitHandlePtr room();
  bool idle();       // nothing is on its way
  void wait_some();  // for a post to end, a tenth of a second at most

  int64_t delivered_rows() const { return delivered_rows_; }
  int64_t posts() const { return delivered_posts_; }
  int64_t held_bytes();

 private:
  enum class Fate { kWaiting, kUnderWay, kEnded };
  struct Post {
    uint64_t number = 0;
    int64_t first_row = 0, rows = 0;  // counted over all that came
    std::string body;
    int64_t bytes = 0;       // in memory
    int64_t body_bytes = 0;  // as sent
    std::vector<column::Batch> batches;
    Fate fate = Fate::kWaiting;
    CallResult result;
  };
  struct Range {
    int64_t first, end;
  };

  void begin_waiting(std::unique_lock<std::mutex>& lock);
  void ended(uint64_t number, CallResult result);
  arrow::Status refuse(Post& post);
  std::string account();
  static std::string ranges_text(const std::vector<Range>& ranges);
  static void add_range(std::vector<Range>& to, int64_t first, int64_t end);

  const PostOptions options_;
  RemoteService& service_;
  const Refuse refuse_;

  Post open_;                               // being filled
  const column::Batch* current_ = nullptr;  // whose rows come, from open_first_ to open_last_ in open_
  int64_t open_first_ = 0, open_last_ = 0;
  int64_t rows_ = 0;
  uint64_t next_number_ = 0;
  int64_t delivered_rows_ = 0, delivered_posts_ = 0;
  std::vector<Range> delivered_, unknown_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Post>> posts_;  // cut, not judged, in order
  int64_t under_way_ = 0;
  int64_t bytes_ = 0;
  bool failed_ = false;  // a post has failed and is not judged
  base::WaitHandlePtr waiting_;
};

}  // namespace gristmill::job
