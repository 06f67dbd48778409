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

// A server that gives its articles page by page.
AsyncEach<int64_t> articles(std::string shop) {
  for (int page = 0; page < 3; ++page) {
    co_await sleep_for(1ms);
    for (int64_t n = 0; n < 4; ++n) co_yield page * 4 + n + static_cast<int64_t>(shop.size());
  }
}

std::vector<double> prices(const Batch<int64_t>& articles) {  // many at once
  std::vector<double> out;
  for (const int64_t article : articles) out.push_back(0.5 * static_cast<double>(article));
  return out;
}

// Functions that give several values, a flow inside a flow, functions of many items, results that are kept, and what ran when.
arrow::Status run_within() {
  Flow each;
  const auto price = each.input<double>("price");
  const auto rate = each.input<double>("rate");
  const auto converted =
      each.add("converted", [](double p, double r) { return p * r; }, CallRules{.cache = FlowCache(), .version = "1"}, price, rate);

  Flow flow;
  const auto shop = flow.input<std::string>("shop");
  const auto article = flow.add("article", articles, shop);
  const auto cost = flow.add_batch("cost", 5, prices, article);
  const auto rates = flow.input<std::vector<double>>("rates");
  const auto costs = flow.add_map("costs", each, converted, FlowLinks().with(price, cost).over(rate, rates));

  const FlowTimeline times;
  ARROW_ASSIGN_OR_RAISE(const auto rows, flow.map(std::tuple(shop, article, costs),
                                                  FlowInputs().over(shop, {"north", "east"}).with(rates, {1.0, 0.9}), {.timeline = times}));
  for (const auto& [name, number, found] : rows) {
    if (number == 9) std::cout << name << " " << number << ": " << found[0] << ", " << found[1] << "\n";
  }
  std::cout << rows.size() << " rows, " << times.spans().size() << " calls\n";
  return arrow::Status::OK();
}

// A connection that one thread at a time may use: each worker has its own, made at its first call there.
class Translator {
 public:
  static arrow::Result<Translator> connect(const std::string& server) { return Translator(server); }
  std::string operator()(const std::string& word) { return word + "@" + server_; }

 private:
  explicit Translator(std::string server) : server_(std::move(server)) {}
  std::string server_;
};

// Functions with a state for each worker, with a form for one item and one for many, slots that are bound; and what a run tells and shows.
arrow::Status run_watched() {
  Flow flow;
  const auto word = flow.input<std::string>("word");
  const auto least = flow.input<int64_t>("least");
  const auto translated = flow.add("translated", per_worker([] { return Translator::connect("east"); }), word);
  const auto length = flow.add_dual(
      "length", [](const std::string& text) { return static_cast<int64_t>(text.size()); }, 100,
      [](const Batch<std::string>& texts) {
        std::vector<int64_t> out;
        for (const std::string& text : texts) out.push_back(static_cast<int64_t>(text.size()));
        return out;
      },
      translated);
  const auto kept = flow.add(
      "kept",
      [](int64_t n, int64_t lower) -> arrow::Result<int64_t> {
        if (n < lower) return arrow::Status::Invalid("too short");
        return n;
      },
      length, least);
  flow.bind(least, 9);

  ARROW_ASSIGN_OR_RAISE(const int64_t one, flow.run(kept, FlowInputs().with(word, "mickle")));
  const FlowProgress progress;
  const FlowOptions options{.errors = FlowErrors::kSkip,
                            .on_event =
                                [](const FlowEvent& event) {
                                  if (event.what == FlowEvent::What::kNodeError) std::cout << event.to_string() << "\n";
                                },
                            .progress = progress};
  ARROW_ASSIGN_OR_RAISE(const auto lengths, flow.map(kept, FlowInputs().over(word, {"many", "a", "mickle"}), options));
  std::cout << one << "; " << lengths.size() << " of " << progress.done() << ", " << progress.failed() << " failed; a drawing of "
            << (flow.to_svg().find("translated") != std::string::npos ? "translated and others" : "nothing") << "\n";
  return arrow::Status::OK();
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
  arrow::Status status = run();
  if (status.ok()) status = run_within();
  if (status.ok()) status = run_watched();
  if (!status.ok()) std::cerr << describe_error(status) << "\n";
  return status.ok() ? 0 : 1;
}
