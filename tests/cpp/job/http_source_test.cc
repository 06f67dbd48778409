// The HTTP source against a paged service: all ways to find the next page, rows in order at any size of batch, bad rows, faults on the way.

#include <gtest/gtest.h>

#include <random>

#include <arrow/table.h>

#include "base/status.h"
#include "gristmill/frame.h"
#include "io/bad_records.h"
#include "job/http/http_source.h"
#include "job/http/page.h"
#include "job/small_http_server.h"
#include "job/step_driver.h"
#include "job/transform.h"
#include "plan/logical.h"

namespace gristmill::job {
namespace {

using Reply = SmallHttpServer::Reply;

std::string row(int64_t i) { return "{\"id\": " + std::to_string(i) + ", \"name\": \"name of row " + std::to_string(i) + "\"}"; }

std::string page_rows(int64_t first, int64_t n, const char* between) {
  std::string out;
  for (int64_t i = first; i < first + n; ++i) out += (i == first ? "" : between) + row(i);
  return out;
}

int64_t parameter(const std::string& path, const std::string& name, int64_t fallback) {
  for (const char before : {'?', '&'}) {
    const size_t at = path.find(before + name + "=");
    if (at != std::string::npos) return std::stoll(path.substr(at + name.size() + 2));
  }
  return fallback;
}

arrow::Result<std::string> read(const std::string& settings, const ParallelOptions& options = {}, bool leave_out = false) {
  ARROW_ASSIGN_OR_RAISE(const auto config, Config::parse("http: {" + settings + "}", "source.yaml"));
  const SourceKind kind = http_source_kind();
  ARROW_ASSIGN_OR_RAISE(const auto read, Settings::read(config.root().sections.at(0).second, kind.key));
  ARROW_ASSIGN_OR_RAISE(const auto source, kind.make(read));
  SourceContext context;
  context.leave_out_bad_records = leave_out;
  ARROW_ASSIGN_OR_RAISE(auto table, source->open(context));
  const Frame frame(plan::make_scan(std::move(table)));
  ARROW_ASSIGN_OR_RAISE(const Table rows, frame.collect(options));
  return rows.to_string(1'000'000);
}

constexpr const char* kSchema = "schema: {id: int64, name: string}";

std::string expected_rows(int64_t n) {
  std::vector<std::string> rows;
  for (int64_t i = 0; i < n; ++i) rows.push_back(row(i));
  return Table(table_of("id:int64 name:string", rows)).to_string(1'000'000);
}

struct Paged {
  int64_t rows = 0, size = 10;
  uint64_t seed = 0;
  int faults = 0;  // one in so many
  std::mt19937_64 random{seed};
  SmallHttpServer server{[this](const std::string&, const std::string& path, const std::string&) { return serve(path); }};

  Reply serve(const std::string& path) {
    if (faults > 0 && random() % static_cast<uint64_t>(faults) == 0) {
      if (random() % 2 == 0) return {.status = 503};
      return {.body = "[{\"id\": 1}]", .kind = random() % 2 == 0 ? Reply::kShort : Reply::kReset};
    }
    if (path.starts_with("/link")) {
      const int64_t at = parameter(path, "at", 0);
      Reply r{.body = "[" + page_rows(at, std::min(size, rows - at), ", ") + "]"};
      if (at + size < rows) r.headers = "Link: </link?at=0>; rel=\"first\", </link?at=" + std::to_string(at + size) + ">; rel=\"next\"\r\n";
      return r;
    }
    if (path.starts_with("/url")) {
      const int64_t at = parameter(path, "at", 0);
      const std::string next = at + size < rows ? "\"?at=" + std::to_string(at + size) + "\"" : "null";
      return {.body = "{\"meta\": {\"next\": " + next + ", \"x\": [1, {\"next\": 2}]}, \"data\": {\"items\": [" +
                      page_rows(at, std::min(size, rows - at), ",") + "]}}"};
    }
    if (path.starts_with("/cursor")) {
      const int64_t at = parameter(path, "after", 0);
      return {.body = "{\"items\": [" + page_rows(at, std::min(size, rows - at), ",") + "]" +
                      (at + size < rows ? ", \"cursor\": " + std::to_string(at + size) : "") + "}"};
    }
    const bool by_page = path.starts_with("/page");
    const int64_t at = by_page ? (parameter(path, "page", -1) - 1) * size : parameter(path, "skip", -1);
    if (at < 0) return {.status = 400};
    return {.body = page_rows(std::min(at, rows), std::clamp<int64_t>(rows - at, 0, size), "\n") + "\n"};
  }
};

TEST(HttpSource, FindsEveryPageInEveryWay) {
  for (const int64_t rows : {int64_t{1}, int64_t{10}, int64_t{97}}) {
    Paged p{.rows = rows};
    const std::string expected = expected_rows(rows);
    const std::pair<const char*, std::string> ways[] = {
        {"/link", "paging: {by: link}"},
        {"/url", "rows: data.items, paging: {by: url, field: meta.next}"},
        {"/cursor?x=1", "rows: items, paging: {by: cursor, field: cursor, parameter: after}"},
        {"/page", "format: ndjson, paging: {by: page}"},
        {"/offset?skip=7", "format: ndjson, paging: {by: offset, parameter: skip}"},
    };
    for (const auto& [path, more] : ways) {
      for (const int workers : {1, 3}) {
        for (const int64_t batch : {int64_t{3}, int64_t{0}}) {
          const auto made =
              read("url: \"" + p.server.url(path) + "\", " + kSchema + ", " + more, {.num_workers = workers, .batch_rows = batch});
          ASSERT_TRUE(made.ok()) << path << ": " << made.status().ToString();
          EXPECT_EQ(*made, expected) << path;
        }
      }
    }
  }
}

TEST(HttpSource, FaultsOnTheWayDoNotShow) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Paged p{.rows = 200, .seed = seed, .faults = 3};
    const auto made =
        read("url: \"" + p.server.url("/link") + "\", retries: 30, retry_pause: 1ms, longest_pause: 1ms, paging: {by: link}, " + kSchema);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    EXPECT_EQ(*made, expected_rows(200));
  }
}

TEST(HttpSource, GuessesColumnsFromTheFirstPage) {
  Paged p{.rows = 25};
  EXPECT_EQ(*read("url: \"" + p.server.url("/link") + "\", paging: {by: link}"), expected_rows(25));
  Paged none{.rows = 0};
  EXPECT_NE(
      read("url: \"" + none.server.url("/page") + "\", format: ndjson, paging: {by: page}").status().message().find("cannot be guessed"),
      std::string::npos);
}

TEST(HttpSource, BadRowsAreTheScansErrorOrLeftOut) {
  SmallHttpServer server([](const std::string&, const std::string& path, const std::string&) -> Reply {
    if (path == "/2") return {.body = "[{\"id\": 4}, {\"id\": \"five\"}, 6, {\"id\": 7}]"};
    return {.body = "[{\"id\": 1}, {\"id\": 2, \"more\": [1]}, {}]", .headers = "Link: </2>; rel=next\r\n"};
  });
  const std::string settings = "url: \"" + server.url("/1") + "\", schema: {id: int64}, paging: {by: link}";
  const auto failed = read(settings);
  const auto detail = base::error_detail(failed.status());
  ASSERT_NE(detail, nullptr) << failed.status().ToString();
  EXPECT_EQ(failed.status().message(), "cannot read the value as int64");
  EXPECT_EQ(detail->row, 4);
  EXPECT_EQ(detail->column, "id");
  EXPECT_EQ(detail->value, "\"five\"");
  EXPECT_EQ(detail->file, server.url("/1"));
  std::vector<std::string> told;
  {
    io::BadRecordScope scope([&](io::BadRecord r) { told.push_back(std::to_string(r.row) + " " + r.text + ": " + r.message); });
    const auto left = read(settings, {.num_workers = 1}, true);
    ASSERT_TRUE(left.ok()) << left.status().ToString();
    EXPECT_EQ(*left, Table(table_of("id:int64", {"{\"id\":1}", "{\"id\":2}", "{}", "{\"id\":4}", "{\"id\":7}"})).to_string(100));
  }
  EXPECT_EQ(told, (std::vector<std::string>{"4 {\"id\": \"five\"}: cannot read the value as int64", "5 6: the row is no JSON object"}));
}

TEST(HttpSource, ErrorsNameThePageWithoutItsQuery) {
  SmallHttpServer server([](const std::string&, const std::string& path, const std::string&) -> Reply {
    if (path.starts_with("/html")) return {.body = "<html>"};
    if (path.starts_with("/object")) return {.body = "{\"items\": {}}"};
    if (path.starts_with("/loop")) return {.body = "[{\"id\": 1}]", .headers = "Link: <" + path + ">; rel=\"next\"\r\n"};
    if (path.starts_with("/away")) return {.body = "[{\"id\": 1}]", .headers = "Link: <http://elsewhere/?key=geheim>; rel=\"next\"\r\n"};
    if (path.starts_with("/utf8")) return {.body = "[{\"id\": \"\xff\"}]"};
    return {.status = 403, .body = "geheim is wrong"};
  });
  const auto error = [&](const std::string& path, const std::string& more) {
    const arrow::Status status =
        read("url: \"" + server.url(path) + "?key=geheim\", schema: {id: int64}, paging: {by: link}, bearer_token: geheim" + more).status();
    EXPECT_EQ(status.message().find("geheim"), std::string::npos) << status.message();
    return status.message();
  };
  EXPECT_NE(error("/html", "").find("cannot read " + server.url("/html") + ": the page is no JSON"), std::string::npos);
  EXPECT_NE(error("/object", "").find("the page is no array of rows"), std::string::npos);
  EXPECT_NE(error("/object", ", rows: data").find("the page has no field \"data\""), std::string::npos);
  EXPECT_NE(error("/loop", "").find("names itself"), std::string::npos);
  EXPECT_NE(error("/away", "").find("another server, http://elsewhere/"), std::string::npos);
  EXPECT_NE(error("/utf8", "").find("not valid UTF-8"), std::string::npos);
  EXPECT_NE(error("/none", "").find("HTTP status 403 from " + server.url("/none") + ": *** is wrong"), std::string::npos);
  Paged p{.rows = 100};
  EXPECT_NE(read("url: \"" + p.server.url("/link") + "\", schema: {id: int64}, paging: {by: link, most_pages: 9}")
                .status()
                .message()
                .find("more than 9 pages"),
            std::string::npos);
}

TEST(HttpSource, RefusesWhatCannotBe) {
  const auto refused = [](const std::string& more) { return base::describe_error(read("url: \"http://h/\", " + more).status()); };
  EXPECT_NE(refused("paging: {by: cursor}").find("needs the field"), std::string::npos);
  EXPECT_NE(refused("paging: {by: link, field: next}").find("has no field"), std::string::npos);
  EXPECT_NE(refused("paging: {by: link, parameter: p}").find("has no parameter"), std::string::npos);
  EXPECT_NE(refused("format: ndjson, rows: items").find("nothing around its rows"), std::string::npos);
  EXPECT_NE(refused("format: ndjson, paging: {by: url, field: x}").find("no fields around"), std::string::npos);
  EXPECT_NE(refused("schema: {a: duration}").find("cannot become duration"), std::string::npos);
  EXPECT_NE(refused("concurrency: 3").find("concurrency"), std::string::npos);
}

TEST(Page, ParametersAndAddresses) {
  EXPECT_EQ(with_parameter("http://h/p", "a b", "c&d"), "http://h/p?a%20b=c%26d");
  EXPECT_EQ(with_parameter("http://h/p?x=1&at=2&y=3", "at", "9"), "http://h/p?x=1&at=9&y=3");
  EXPECT_EQ(with_parameter("http://h/p?beat=2", "at", "9"), "http://h/p?beat=2&at=9");
  EXPECT_EQ(resolve_url("http://h:1/a/b?c=d", "/x"), "http://h:1/x");
  EXPECT_EQ(resolve_url("http://h:1/a/b?c=d", "x"), "http://h:1/a/x");
  EXPECT_EQ(resolve_url("http://h:1/a/b?c=d", "?e"), "http://h:1/a/b?e");
  EXPECT_EQ(resolve_url("https://h", "x"), "https://h/x");
  EXPECT_EQ(resolve_url("https://h/a", "//g/x"), "https://g/x");
  EXPECT_EQ(next_link("<http://h/1>; rel=\"prev\", <http://h/3>; title=\"a\"; rel=\"next\""), "http://h/3");
  EXPECT_EQ(next_link("<http://h/1>; rel=\"prev\""), std::nullopt);
}

}  // namespace
}  // namespace gristmill::job
