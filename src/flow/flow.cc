// The public face: what is given becomes a plan, and the plan a query of one task.
//
// Few items of functions that are known to take next to nothing stay on the caller's thread.

#include "gristmill/flow.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/util/byte_size.h>

#include <utility>

#include "base/status.h"
#include "flow/event_loop.h"
#include "flow/graph.h"
#include "flow/inputs.h"
#include "flow/observer.h"
#include "flow/run.h"
#include "frame/query_runner.h"

namespace gristmill {
namespace detail {
namespace {

constexpr int64_t kNotWorthOthers = 100'000;  // ns of work that are done before others are awake

arrow::Status execute(const std::shared_ptr<FlowGraph>& graph, const FlowGiven& given, const std::vector<Slot<void>>& wanted,
                      const FlowOptions& options, const std::function<flow::Delivery&(int64_t total)>& delivery) {
  ARROW_ASSIGN_OR_RAISE(flow::Inputs inputs, flow::Inputs::make(*graph, given));
  const bool for_one = given.columns.empty() && !given.next;
  ARROW_ASSIGN_OR_RAISE(flow::Plan plan, graph->plan(inputs.fixed(), inputs.mapped(), wanted, {}, for_one));
  if (options.window < 1) return base::plan_error("a flow's window must hold at least one item");
  if (plan.waits() && flow::EventLoop::process().inside()) {
    return base::plan_error("a flow with coroutines cannot be run by a coroutine: it would hold up the loop both need",
                            "run it in a plain function");
  }
  const int64_t total = inputs.total();
  const bool alone = plan.computes() && total >= 0 && (total <= 1 || (plan.item_ns() > 0 && plan.item_ns() * total < kNotWorthOthers));
  const int workers = sched::resolve_workers(options.num_workers);
  const base::CancelToken cancel = QueryRunner::token_of(options.cancel);
  const auto observer = flow::Observer::of(options);
  const auto run = std::make_shared<flow::Run>(std::move(plan), std::move(inputs), options, delivery(total), cancel, observer);
  run->begin(alone ? 1 : workers);
  if (observer) {
    observer->begin(total, [weak = std::weak_ptr(run)](arrow::Status status) {
      if (const auto broken = weak.lock()) broken->fail(std::move(status));
    });
  }
  sched::Query query;
  query.nodes.push_back({run, {}});
  query.cancel = cancel;
  query.interrupt = QueryRunner::interrupt();
  sched::RunOptions how;
  how.workers = workers;
  how.inline_on_caller = alone;
  arrow::Status status = sched::Scheduler::process().run(query, how);
  run->settle();
  return observer ? observer->end(std::move(status)) : status;
}

}  // namespace

arrow::Result<std::vector<std::optional<FlowRow>>> collect(const std::shared_ptr<FlowGraph>& graph, const FlowGiven& given,
                                                           const std::vector<Slot<void>>& wanted, const FlowOptions& options) {
  std::optional<flow::Delivery> delivery;
  ARROW_RETURN_NOT_OK(
      execute(graph, given, wanted, options, [&](int64_t total) -> flow::Delivery& { return delivery.emplace(nullptr, true, total); }));
  return delivery->rows();
}

arrow::Status stream(const std::shared_ptr<FlowGraph>& graph, const FlowGiven& given, const std::vector<Slot<void>>& wanted,
                     const FlowOptions& options, std::function<arrow::Result<bool>(int64_t, FlowRow)> take) {
  if (!take) return base::plan_error("stream() needs a function that takes the rows");
  std::optional<flow::Delivery> delivery;
  return execute(graph, given, wanted, options,
                 [&](int64_t total) -> flow::Delivery& { return delivery.emplace(std::move(take), options.ordered, total); });
}

int64_t bytes_of(const std::shared_ptr<arrow::Array>& v) { return v ? arrow::util::TotalBufferSize(*v) : 0; }
int64_t bytes_of(const std::shared_ptr<arrow::RecordBatch>& v) { return v ? arrow::util::TotalBufferSize(*v) : 0; }
int64_t bytes_of(const std::shared_ptr<arrow::Table>& v) { return v ? arrow::util::TotalBufferSize(*v) : 0; }
int64_t bytes_of(const std::shared_ptr<arrow::Buffer>& v) { return v ? v->size() : 0; }

}  // namespace detail

Flow::Flow() : graph_(std::make_shared<detail::FlowGraph>()) {}

std::string Flow::explain() const { return graph_->explain(); }

std::string Flow::to_svg() const { return graph_->to_svg(); }

}  // namespace gristmill
