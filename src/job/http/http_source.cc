// Settings of a paged service, and the guess at its columns from the first page when no schema is told.

#include "job/http/http_source.h"

#include <condition_variable>
#include <mutex>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/types.h"
#include "io/json.h"
#include "io/json_columns.h"
#include "io/json_infer.h"
#include "job/http/page_scan.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
constexpr int64_t kConcurrency = 1;  // pages come one after another
constexpr int64_t kMostPages = 1'000'000;

class PagedTable final : public plan::TableSource {
 public:
  PagedTable(std::shared_ptr<const PageOptions> options, SchemaPtr schema, std::shared_ptr<const HttpAnswer> first, SourceContext context)
      : options_(std::move(options)), schema_(std::move(schema)), first_(std::move(first)), context_(std::move(context)) {}

  std::string kind() const override { return "http"; }
  std::string name() const override { return shown_url(options_->url); }
  SchemaPtr schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override {
    io::JsonWriter json;
    json.add("url", shown_url(options_->url));
    return json.finish();
  }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    return open_pages(options_, schema_, first_, context_, request);
  }

 private:
  const std::shared_ptr<const PageOptions> options_;
  const SchemaPtr schema_;
  const std::shared_ptr<const HttpAnswer> first_;
  const SourceContext context_;
};

class HttpPages final : public Source {
 public:
  HttpPages(const Settings& settings, PageOptions options)
      : settings_(settings), options_(std::make_shared<const PageOptions>(std::move(options))) {}
  std::string name() const override { return "http " + shown_url(options_->url); }

  arrow::Result<plan::TableSourcePtr> open(const SourceContext& context) override {
    arrow::FieldVector fields;
    for (const auto& [name, text] : settings_.names("schema")) {
      auto type = column::parse_type(text);
      if (!type.ok()) return settings_.error_at("schema", type.status().message());
      io::JsonColumnContext probe;
      if (io::make_json_column(column::canonical_type(*type), probe) == nullptr) {
        return settings_.error_at("schema", "a JSON value cannot become " + text + " (\"" + name + "\")");
      }
      fields.push_back(arrow::field(name, std::move(*type)));
    }
    std::shared_ptr<const HttpAnswer> first;
    if (fields.empty()) {
      ARROW_ASSIGN_OR_RAISE(first, ask_first(context));
      ARROW_ASSIGN_OR_RAISE(fields, guess(*first));
    }
    return std::make_shared<PagedTable>(options_, arrow::schema(std::move(fields)), std::move(first), context);
  }

 private:
  arrow::Result<std::shared_ptr<const HttpAnswer>> ask_first(const SourceContext& context) const {
    ARROW_ASSIGN_OR_RAISE(const auto service, RemoteService::open(options_->remote, context.cancel));
    HttpRequest request = options_->remote.request;
    request.url = first_url(*options_);
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<CallResult> result;
    service->calls().call(std::move(request), 0, [&](CallResult r) {
      std::lock_guard lock(mutex);
      result = std::move(r);
      changed.notify_one();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return result.has_value(); });
    if (result->hopeless) return result->status;
    if (!result->status.ok()) {
      return base::io_error("cannot read the pages of " + shown_url(options_->url) + ": " + service->failure(*result),
                            shown_url(options_->url));
    }
    return std::make_shared<const HttpAnswer>(std::move(result->answer));
  }

  arrow::Result<arrow::FieldVector> guess(const HttpAnswer& first) const {
    ARROW_ASSIGN_OR_RAISE(const PageParts parts, take_page(*options_, first_url(*options_), first, 0, 0));
    std::string text = first.body;
    text.append(static_cast<size_t>(column::kStoreSlack), '\0');
    io::JsonGuess guess;
    for (const RowSpan& row : parts.rows) {
      io::JsonCursor in(text.data() + row.begin, text.data() + row.end);
      guess.add(in, settings_.boolean("dates"));
    }
    if (parts.rows.empty() || !guess.only_objects() || guess.fields().empty()) {
      return settings_.error("the columns cannot be guessed: the first page has no rows that are JSON objects",
                             "schema: {id: int64, name: string} names them");
    }
    arrow::FieldVector fields;
    for (const auto& f : guess.fields()) fields.push_back(arrow::field(f.name, f.guess->type()));
    return fields;
  }

  const Settings settings_;
  const std::shared_ptr<const PageOptions> options_;
};

arrow::Status read_paging(const Settings& p, PageOptions& o) {
  const std::string by = p.text("by");
  o.by = by == "link"     ? PagingBy::kLink
         : by == "url"    ? PagingBy::kUrl
         : by == "cursor" ? PagingBy::kCursor
         : by == "page"   ? PagingBy::kPage
                          : PagingBy::kOffset;
  const bool wants_field = o.by == PagingBy::kUrl || o.by == PagingBy::kCursor;
  const bool wants_parameter = o.by == PagingBy::kCursor || o.by == PagingBy::kPage || o.by == PagingBy::kOffset;
  if (wants_field != p.has("field")) {
    return p.error(wants_field ? "paging by " + by + " needs the field of the page that says it" : "paging by " + by + " has no field",
                   "field: meta.next");
  }
  if (!wants_parameter && p.has("parameter")) return p.error_at("parameter", "paging by " + by + " has no parameter");
  if (wants_field && o.lines)
    return p.error_at("field", "a page of NDJSON has no fields around its rows", "paging by link, page or offset");
  o.field = p.text("field");
  o.parameter = p.text("parameter", by);
  o.first = p.integer("first", o.by == PagingBy::kPage ? 1 : 0);
  o.most_pages = p.integer("most_pages", kMostPages);
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<Source>> make_pages(const Settings& s) {
  PageOptions o;
  ARROW_ASSIGN_OR_RAISE(o.remote, read_remote(s, kConcurrency, 0));
  o.remote.request.method = "GET";
  o.url = s.text("url");
  if (const arrow::Status status = check_http_url(o.url); !status.ok()) return s.at(status);
  o.lines = s.text("format", "json") == "ndjson";
  o.rows = s.text("rows");
  o.most_pages = kMostPages;
  if (o.lines && s.has("rows")) return s.error_at("rows", "a page of NDJSON has nothing around its rows");
  if (const auto paging = s.section("paging")) ARROW_RETURN_NOT_OK(read_paging(*paging, o));
  return std::make_unique<HttpPages>(s, std::move(o));
}

std::vector<Key> source_keys() {
  std::vector<Key> keys = {
      {.name = "url", .kind = ValueKind::kText, .help = "The address of the (first) page.", .required = true},
      {.name = "schema",
       .kind = ValueKind::kNames,
       .help = "All columns in order, `name: type`; else they are guessed from the first page."},
      {.name = "dates",
       .kind = ValueKind::kBoolean,
       .help = "Whether dates and times are guessed; else they are text.",
       .fallback = "false"},
      {.name = "format",
       .kind = ValueKind::kText,
       .help = "json: an array of objects, perhaps within the page; ndjson: an object a line.",
       .choices = {"json", "ndjson"},
       .fallback = "json"},
      {.name = "rows",
       .kind = ValueKind::kText,
       .help = "Where in a JSON page the array is: data.items; without it the page is the array."},
      {.name = "paging",
       .kind = ValueKind::kSection,
       .help = "How the next page is found; without it there is one page.",
       .keys = {{.name = "by",
                 .kind = ValueKind::kText,
                 .help = "link: the header Link with rel=\"next\". url: a field with its address. cursor: a field whose value becomes a "
                         "parameter. page, "
                         "offset: a parameter counts pages or rows until a page is empty.",
                 .required = true,
                 .choices = {"link", "url", "cursor", "page", "offset"}},
                {.name = "field",
                 .kind = ValueKind::kText,
                 .help = "For url and cursor: where it is in the page, meta.next; missing or null ends it."},
                {.name = "parameter",
                 .kind = ValueKind::kText,
                 .help = "For cursor, page and offset: its name in the address; else as `by`."},
                {.name = "first", .kind = ValueKind::kInteger, .help = "For page and offset: of the first page; else 1 and 0."},
                {.name = "most_pages", .kind = ValueKind::kInteger, .help = "More are an error.", .least = 1, .fallback = "1000000"}}},
  };
  for (Key& k : remote_keys(kConcurrency, 0)) {
    if (k.name != "concurrency") keys.push_back(std::move(k));
  }
  return keys;
}

}  // namespace

SourceKind http_source_kind() {
  return {
      {.name = "http", .kind = ValueKind::kSection, .help = "Rows that a service gives page by page, as JSON.", .keys = source_keys()},
      "http: {url: \"http://localhost:8080/orders\", rows: items, paging: {by: cursor, field: next}, schema: {id: int64, value: float64}}",
      make_pages};
}

}  // namespace gristmill::job
