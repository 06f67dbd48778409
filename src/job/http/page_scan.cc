// next() never waits: it asks for a page and answers with a handle that the answer fires. A page becomes a morsel once its rows are found;
// then the page behind it is asked for, so a page is on its way while the one before is parsed.
//
// Every column of the schema is parsed whatever a query needs: the same rows are bad whatever is asked.

#include "job/http/page_scan.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/bad_records.h"
#include "io/json_columns.h"
#include "io/text_shown.h"
#include "io/transfer.h"
#include "job/job_status.h"
#include "job/transform.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;

arrow::Status at_page(const arrow::Status& status, const std::string& url) {
  return base::io_error("cannot read " + shown_url(url) + ": " + status.message(), shown_url(url));
}

struct Page {
  std::shared_ptr<arrow::Buffer> text;  // readable 64 bytes beyond its end
  std::vector<RowSpan> rows;
  int64_t first_row = 0;
};

class PageLocal final : public plan::ScanLocal {
 public:
  PageLocal(const column::TypePtr& type, arrow::MemoryPool* pool) {
    context.pool = pool;
    rows = io::make_json_column(type, context);
  }
  io::JsonColumnContext context;
  std::unique_ptr<io::JsonColumn> rows;
};

class PageScan final : public plan::Scan {
 public:
  PageScan(std::shared_ptr<const PageOptions> options, SchemaPtr schema, std::shared_ptr<const HttpAnswer> first, SourceContext context,
           const plan::ScanRequest& request, std::unique_ptr<RemoteService> service)
      : options_(std::move(options)),
        schema_(std::move(schema)),
        type_(column::canonical_type(arrow::struct_(schema_->fields()))),
        context_(std::move(context)),
        request_(request),
        url_(first_url(*options_)),
        first_(std::move(first)),
        service_(std::move(service)) {
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kDefaultBatchRows;
  }
  ~PageScan() override { service_.reset(); }  // before what its answers come to

  int64_t num_morsels() const override { return -1; }
  bool numbers_rows() const override { return true; }
  std::string file_of(int32_t input) const override { return input == 0 ? shown_url(options_->url) : ""; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override {
    return std::make_unique<PageLocal>(type_, request_.memory->pool());
  }

  arrow::Result<Next> next(uint64_t seq) override {
    while (true) {
      ARROW_RETURN_NOT_OK(request_.cancel.check());
      if (url_.empty()) return Next{true, nullptr};
      if (first_ != nullptr) {
        const auto answer = std::move(first_);
        ARROW_ASSIGN_OR_RAISE(const bool made, take(*answer, seq));
        if (made) return Next{};
        continue;
      }
      CallResult came;
      {
        std::lock_guard lock(mutex_);
        if (!answer_) {
          if (wait_ == nullptr) wait_ = std::make_shared<base::WaitHandle>();
          if (asked_) return Next{false, wait_};
        } else {
          came = std::move(*answer_);
          answer_.reset();
          asked_ = false;
        }
      }
      if (came.attempts == 0 && came.status.ok()) {  // nobody has asked for it
        ask();
        continue;
      }
      service_->report(context_.status, context_.counts.get());
      if (!came.status.ok()) {
        if (came.hopeless) return came.status;
        return base::io_error("cannot read the pages of " + shown_url(options_->url) + ": " + service_->failure(came), shown_url(url_));
      }
      ARROW_ASSIGN_OR_RAISE(const bool made, take(came.answer, seq));
      if (made) return Next{};
    }
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    Page page;
    {
      std::lock_guard lock(mutex_);
      auto node = pages_.extract(seq);
      if (node.empty()) return base::internal_error("page " + std::to_string(seq) + " was not made");
      page = std::move(node.mapped());
    }
    auto& local = static_cast<PageLocal&>(scan_local);
    local.context.block = page.text;
    const arrow::Status status = read_rows(page, local, emit, counts);
    local.rows->truncate(0);
    local.context.block.reset();
    return status;
  }

 private:
  void ask() {
    {
      std::lock_guard lock(mutex_);
      asked_ = true;
    }
    HttpRequest request = options_->remote.request;
    request.url = url_;
    service_->calls().call(std::move(request), static_cast<uint64_t>(number_), [this](CallResult result) {
      base::WaitHandlePtr wake;
      {
        std::lock_guard lock(mutex_);
        result.attempts = std::max<int64_t>(result.attempts, 1);
        answer_ = std::move(result);
        wake = std::move(wait_);
      }
      if (wake != nullptr) wake->fire();
    });
  }

  // Whether the page has rows; then it is morsel `seq`. The page behind it is asked for.
  arrow::Result<bool> take(const HttpAnswer& answer, uint64_t seq) {
    const std::string url = url_;
    ARROW_ASSIGN_OR_RAISE(PageParts parts, take_page(*options_, url, answer, number_, rows_));
    Page page;
    ARROW_ASSIGN_OR_RAISE(page.text, column::allocate_zeroed(std::ssize(answer.body) + column::kStoreSlack, request_.memory->pool()));
    std::copy(answer.body.begin(), answer.body.end(), reinterpret_cast<char*>(page.text->mutable_data()));
    page.rows = std::move(parts.rows);
    page.first_row = rows_;
    rows_ += std::ssize(page.rows);
    number_ += 1;
    io::count_transfer(std::ssize(answer.body));
    url_ = std::move(parts.next);
    if (context_.counts != nullptr) context_.counts->add("pages", 1);
    const bool made = !page.rows.empty();
    if (made) {
      std::lock_guard lock(mutex_);
      pages_.emplace(seq, std::move(page));
    }
    if (!url_.empty()) ask();
    return made;
  }

  arrow::Status read_rows(const Page& page, PageLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
    const auto rows = std::ssize(page.rows);
    std::vector<int64_t> kept;  // of the rows of the page, those in the batch at hand
    for (int64_t i = 0; i < rows; ++i) {
      const arrow::Status taken = take_row(page, i, local);
      if (taken.ok()) {
        kept.push_back(i);
      } else if (context_.leave_out_bad_records) {
        tell(page, i, taken);
        counts.rows += 1;
        counts.skipped += 1;
      } else {
        ARROW_RETURN_NOT_OK(flush(page, kept, local, emit, counts));  // the rows before it go first
        base::ErrorDetail d = *base::error_detail(taken);
        d.file = file_of(0);
        d.row = page.first_row + i;
        return base::with_detail(taken, d);
      }
      if (std::ssize(kept) == batch_rows_) {
        ARROW_RETURN_NOT_OK(flush(page, kept, local, emit, counts));
        ARROW_RETURN_NOT_OK(request_.cancel.check());
      }
    }
    return flush(page, kept, local, emit, counts);
  }

  arrow::Status take_row(const Page& page, int64_t i, PageLocal& local) const {
    const auto* base = reinterpret_cast<const char*>(page.text->data());
    const RowSpan& span = page.rows[static_cast<size_t>(i)];
    io::JsonCursor in(base + span.begin, base + span.end);
    io::JsonProblem problem;
    const int64_t before = local.rows->rows();
    if (in.peek() != io::JsonKind::kObject) {
      problem.why = "the row is no JSON object";
    } else if (local.rows->append(in, 0, problem)) {
      if (in.at_end()) return arrow::Status::OK();
      local.rows->truncate(before);
      problem = {.malformed = true, .why = "there is more than one value in the line"};
    }
    base::ErrorDetail d;
    d.kind = base::ErrorKind::kData;
    d.column = problem.path.starts_with('.') ? problem.path.substr(1) : problem.path;
    d.value = io::shown_value(problem.value);
    const std::string why = !problem.why.empty() ? problem.why
                            : problem.malformed  ? "the row is no JSON"
                                                 : "the row does not fit the schema";
    return base::with_detail(base::data_error(why), d);
  }

  void tell(const Page& page, int64_t i, const arrow::Status& why) const {
    const io::OnBadRecord* listener = io::BadRecordScope::current();
    if (listener == nullptr) return;
    const RowSpan& span = page.rows[static_cast<size_t>(i)];
    const auto detail = base::error_detail(why);
    io::BadRecord record;
    record.input = 0;
    record.row = page.first_row + i;
    record.text.assign(reinterpret_cast<const char*>(page.text->data()) + span.begin, static_cast<size_t>(span.end - span.begin));
    record.column = detail->column;
    record.value = detail->value;
    record.message = why.message();
    (*listener)(std::move(record));
  }

  arrow::Status flush(const Page& page, std::vector<int64_t>& kept, PageLocal& local, const plan::BatchConsumer& emit,
                      plan::ScanCounts& counts) const {
    if (kept.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto made, local.rows->finish());
    column::Batch batch;
    batch.rows = std::ssize(kept);
    batch.origin.input = 0;
    batch.origin.first_row = page.first_row + kept.front();
    if (kept.back() - kept.front() + 1 != batch.rows) {
      ARROW_ASSIGN_OR_RAISE(auto rows, column::allocate_buffer(batch.rows * 8, request_.memory->pool()));
      auto* to = reinterpret_cast<int64_t*>(rows->mutable_data());
      for (size_t k = 0; k < kept.size(); ++k) to[k] = page.first_row + kept[k];
      batch.origin.rows = std::move(rows);
    }
    for (const int c : request_.columns) batch.columns.push_back(column::Column::flat(made->child_data[static_cast<size_t>(c)]));
    counts.rows += batch.rows;
    kept.clear();
    return emit(std::move(batch));
  }

  const std::shared_ptr<const PageOptions> options_;
  const SchemaPtr schema_;
  const column::TypePtr type_;
  const SourceContext context_;
  const plan::ScanRequest request_;
  int64_t batch_rows_ = 0;

  // Of next(), one thread at a time.
  std::string url_;  // of the page to come; empty: there is none
  int64_t number_ = 0, rows_ = 0;
  std::shared_ptr<const HttpAnswer> first_;

  std::mutex mutex_;
  bool asked_ = false;
  std::optional<CallResult> answer_;
  base::WaitHandlePtr wait_;
  std::unordered_map<uint64_t, Page> pages_;  // made, not read

  std::unique_ptr<RemoteService> service_;
};

}  // namespace

std::string first_url(const PageOptions& o) {
  if (o.by == PagingBy::kPage || o.by == PagingBy::kOffset) return with_parameter(o.url, o.parameter, std::to_string(o.first));
  return o.url;
}

arrow::Result<PageParts> take_page(const PageOptions& o, const std::string& url, const HttpAnswer& answer, int64_t number,
                                   int64_t rows_before) {
  PageParts out;
  if (answer.status == 204) return out;
  if (!simdjson::validate_utf8(answer.body.data(), answer.body.size()))
    return at_page(base::data_error("the page is not valid UTF-8"), url);
  // The readers look a little beyond the end.
  std::string room = answer.body;
  room.append(static_cast<size_t>(column::kStoreSlack), '\0');
  const std::string_view text(room.data(), answer.body.size());
  const auto parsed = [&]() -> arrow::Status {
    if (o.lines) {
      out.rows = line_rows(text);
    } else {
      ARROW_ASSIGN_OR_RAISE(out.rows, array_rows(text, o.rows));
    }
    std::optional<std::string> next;
    switch (o.by) {
      case PagingBy::kNothing: break;
      case PagingBy::kLink: next = next_link(answer.link); break;
      case PagingBy::kUrl: {
        ARROW_ASSIGN_OR_RAISE(next, field_text(text, o.field));
        break;
      }
      case PagingBy::kCursor: {
        ARROW_ASSIGN_OR_RAISE(const auto cursor, field_text(text, o.field));
        if (cursor) next = with_parameter(o.url, o.parameter, *cursor);
        break;
      }
      case PagingBy::kPage:
        if (!out.rows.empty()) next = with_parameter(o.url, o.parameter, std::to_string(o.first + number + 1));
        break;
      case PagingBy::kOffset:
        if (!out.rows.empty()) next = with_parameter(o.url, o.parameter, std::to_string(o.first + rows_before + std::ssize(out.rows)));
        break;
    }
    if (next) out.next = resolve_url(url, *next);
    return arrow::Status::OK();
  }();
  if (!parsed.ok()) return at_page(parsed, url);
  if (out.next.empty()) return out;
  if (origin_of(out.next) != origin_of(o.url)) {
    return at_page(base::data_error("the next page is on another server, " + shown_url(out.next)), url);
  }
  if (out.next == url) return at_page(base::data_error("the page names itself as the next one"), url);
  if (number + 1 >= o.most_pages) {
    return base::io_error("there are more than " + std::to_string(o.most_pages) + " pages at " + shown_url(o.url), shown_url(o.url),
                          "paging: {most_pages: ...} allows more");
  }
  return out;
}

arrow::Result<std::shared_ptr<plan::Scan>> open_pages(std::shared_ptr<const PageOptions> options, SchemaPtr schema,
                                                      std::shared_ptr<const HttpAnswer> first, const SourceContext& context,
                                                      const plan::ScanRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto service, RemoteService::open(options->remote, request.cancel));
  return std::make_shared<PageScan>(std::move(options), std::move(schema), std::move(first), context, request, std::move(service));
}

}  // namespace gristmill::job
