// A service's pages as a table: asked for one after another, one ahead of what is read, parsed by whoever claims them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "job/http/page.h"
#include "job/http/remote_service.h"
#include "job/source.h"
#include "plan/table_source.h"

namespace gristmill::job {

enum class PagingBy { kNothing, kLink, kUrl, kCursor, kPage, kOffset };

struct PageOptions {
  std::string url;
  bool lines = false;  // NDJSON; else JSON
  std::string rows;    // path of the array
  PagingBy by = PagingBy::kNothing;
  std::string field;      // kUrl, kCursor
  std::string parameter;  // kCursor, kPage, kOffset
  int64_t first = 0;      // of kPage and kOffset
  int64_t most_pages = 0;
  RemoteSettings remote;
};

// The rows of one page, and the address of the next; empty: it was the last.
struct PageParts {
  std::vector<RowSpan> rows;
  std::string next;
};
// `rows_before`: of the pages before it. Errors name the page's address.
arrow::Result<PageParts> take_page(const PageOptions& options, const std::string& url, const HttpAnswer& answer, int64_t number,
                                   int64_t rows_before);
std::string first_url(const PageOptions& options);

// `first`: the answer to the first page, when it was asked for already.
arrow::Result<std::shared_ptr<plan::Scan>> open_pages(std::shared_ptr<const PageOptions> options, std::shared_ptr<arrow::Schema> schema,
                                                      std::shared_ptr<const HttpAnswer> first, const SourceContext& context,
                                                      const plan::ScanRequest& request);

}  // namespace gristmill::job
