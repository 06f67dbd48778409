// The rows of one batch that ask a service: their requests in order, a window of them ahead of the answers, and no thread held.
//
// Whoever brings an answer asks for the next rows. Answers are kept by row, so the order in which they come does not show. When only the
// first failure matters, nothing is asked for behind a row that has failed, and all is answered once every row before that one is.
//
// Memory: answers are reserved in the query's budget as they come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/memory_budget.h"
#include "job/http/answer_cache.h"
#include "job/transform.h"

namespace gristmill::job {

// Rows of all batches that are not answered.
struct AskingBacklog {
  std::atomic<int64_t> rows{0};
  int64_t enough = 0;
  bool takes_more() const { return rows.load() < enough; }
};

class AskedRows : public std::enable_shared_from_this<AskedRows> {
 public:
  using Arrived = std::function<void(AnsweredPtr)>;
  // Asks for row `i`; false when nobody can be asked any more. The answer may come before it returns.
  using Ask = std::function<bool(size_t i, Arrived arrived)>;

  AskedRows(size_t rows, size_t window, bool all, Ask ask, base::Reservation held, Wakes wakes, std::shared_ptr<AskingBacklog> backlog);
  void begin();  // once
  void wait();   // for those who hold a thread
  void give_up();
  // When all is answered: an error that is no row's, or OK.
  arrow::Status status();
  std::vector<AnsweredPtr> answers();  // null: nobody asked, or it does not matter

 private:
  void arrived(size_t i, AnsweredPtr answer);
  void go_on();
  bool is_over() const;  // under the lock
  bool has_failed() const { return hopeless_ || !failed_.ok() || (!all_ && first_failed_ != SIZE_MAX); }
  void end(std::unique_lock<std::mutex>& lock);

  const size_t rows_, window_;
  const bool all_;
  const std::shared_ptr<AskingBacklog> backlog_;

  std::mutex mutex_;
  std::condition_variable over_changed_;
  Ask ask_;  // until it is over, like the wakes
  Wakes wakes_;
  base::Reservation held_;  // of who goes on
  std::vector<AnsweredPtr> answers_;
  size_t next_ = 0, prefix_ = 0, under_way_ = 0;  // prefix_: all before it are there
  size_t first_failed_ = SIZE_MAX;
  int64_t bytes_ = 0;
  bool hopeless_ = false, going_on_ = false, over_ = false;
  arrow::Status failed_;
};

}  // namespace gristmill::job
