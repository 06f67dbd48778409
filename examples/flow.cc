// A graph of C++ functions over many items: a coroutine that waits for a server, a function that computes, one that waits for a database.

#include <gristmill/errors.h>
#include <gristmill/flow.h>

#include <atomic>
#include <iostream>
#include <numeric>
#include <sstream>
#include <thread>

using namespace gristmill;
using namespace std::chrono_literals;

namespace {

std::atomic<int> calls{0};

// Stands for an HTTP call to a server that fails now and then.
Task<std::string> fetch(const std::string& url) {
  co_await sleep_for(10ms);
  if (++calls % 10 == 0) co_return arrow::Status::IOError("busy");
  co_return "the page at " + url + " says hello hello";
}

int64_t count_words(const std::string& page) {
  std::istringstream words(page);
  int64_t count = 0;
  for (std::string word; words >> word;) ++count;
  return count;
}

// A database that only knows how to block.
arrow::Result<std::string> store(const std::string& url, int64_t words) {
  std::this_thread::sleep_for(10ms);
  if (url == "site7.example") return arrow::Status::Invalid("no place for ", url);
  return url + "=" + std::to_string(words);
}

arrow::Status run() {
  Flow flow;
  const auto url = flow.input<std::string>("url");
  const auto page =
      flow.add("page", fetch, CallRules{.retry = Retry{.times = 3, .first = 0.001}, .timeout = 5s, .rate = RateLimit(5000)}, url);
  const auto words = flow.add("words", count_words, page);
  const auto stored = flow.add("stored", store, url, words);

  std::vector<std::string> urls;
  for (int i = 0; i < 100; ++i) urls.push_back("site" + std::to_string(i) + ".example");

  ARROW_ASSIGN_OR_RAISE(const auto counts, flow.map(words, FlowInputs().over(url, urls)));
  std::cout << counts.size() << " pages, " << std::accumulate(counts.begin(), counts.end(), int64_t{0}) << " words\n";

  ARROW_ASSIGN_OR_RAISE(const auto rows, flow.map_each(stored, FlowInputs().over(url, urls)));
  for (const auto& row : rows) {
    if (!row.ok()) std::cout << describe_error(row.status()) << "\n";
  }
  // As many items as come: pulled as there is room, taken in their order.
  int64_t next = 0;
  int64_t taken = 0;
  ARROW_RETURN_NOT_OK(flow.stream(
      std::tuple(url, words),
      FlowInputs().from<std::string>(url, [&]() -> arrow::Result<std::optional<std::string>> { return "page" + std::to_string(next++); }),
      [&](int64_t, arrow::Result<std::tuple<std::string, int64_t>> row) -> arrow::Result<bool> {
        ARROW_RETURN_NOT_OK(row.status());
        return ++taken < 1000;
      },
      {.window = 256}));
  std::cout << taken << " of an endless stream\n" << flow.explain();
  return arrow::Status::OK();
}

}  // namespace

int main() {
  const arrow::Status status = run();
  if (!status.ok()) std::cerr << describe_error(status) << "\n";
  return status.ok() ? 0 : 1;
}
