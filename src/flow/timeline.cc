#include "flow/timeline.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <tuple>
#include <utility>

#include "flow/svg.h"

namespace gristmill {
namespace {

constexpr int kLane = 14;
constexpr int kWidth = 900;
constexpr int kLeft = 150;

using Span = FlowTimeline::Span;
using Lane = std::vector<const Span*>;

std::string number(double value, int digits) {
  char text[40];
  snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

const char* name_of(flow::Way way) {
  switch (way) {
    case flow::Way::kAsync: return "async";
    case flow::Way::kBlocking: return "blocking";
    default: return "compute";
  }
}

const char* colour_of(const std::string& way) { return way == "async" ? "#2a7ab9" : way == "blocking" ? "#c98a1b" : "#7a4fb5"; }

// Spans of a thread that do not overlap, side by side.
std::vector<Lane> lanes_of(const std::vector<Span>& spans) {
  std::vector<Lane> lanes;
  for (const Span& span : spans) {
    const auto fits = [&](const Lane& lane) { return lane.back()->thread == span.thread && lane.back()->end <= span.start; };
    auto lane = std::find_if(lanes.begin(), lanes.end(), fits);
    if (lane == lanes.end()) lane = lanes.emplace(lanes.end());
    lane->push_back(&span);
  }
  std::stable_sort(lanes.begin(), lanes.end(), [](const Lane& a, const Lane& b) { return a.front()->thread < b.front()->thread; });
  return lanes;
}

}  // namespace

FlowTimeline::State::State() : made(flow::wall_ns()) {}

void FlowTimeline::State::add(std::string node, const FlowCall& call, flow::Way way, int64_t began) {
  const int64_t now = flow::wall_ns();
  const auto seconds = [&](int64_t ns) { return static_cast<double>(ns - made) * 1e-9; };
  Span span{std::move(node), call.item, call.parts, name_of(way), syscall(SYS_gettid), seconds(began), seconds(now)};
  std::lock_guard lock(mutex);
  spans.push_back(std::move(span));
}

FlowTimeline::FlowTimeline() : state_(std::make_shared<State>()) {}

std::vector<Span> FlowTimeline::spans() const {
  std::vector<Span> out;
  {
    std::lock_guard lock(state_->mutex);
    out = state_->spans;
  }
  std::sort(out.begin(), out.end(),
            [](const Span& a, const Span& b) { return std::tie(a.start, a.end, a.item) < std::tie(b.start, b.end, b.item); });
  return out;
}

std::string FlowTimeline::to_svg() const {
  const std::vector<Span> all = spans();
  const double first = all.empty() ? 0 : all.front().start;
  double last = first;
  for (const Span& span : all) last = std::max(last, span.end);
  const double scale = kWidth / std::max(last - first, 1e-9);
  const std::vector<Lane> lanes = lanes_of(all);
  const int height = static_cast<int>(lanes.size()) * kLane + 30;
  std::ostringstream svg;
  svg << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << kLeft + kWidth + 20 << "\" height=\"" << height
      << "\" font-family=\"sans-serif\" font-size=\"10\">";
  for (size_t row = 0; row < lanes.size(); ++row) {
    const int y = static_cast<int>(row) * kLane;
    svg << "<text x=\"4\" y=\"" << y + 11 << "\">" << lanes[row].front()->way << " " << lanes[row].front()->thread << "</text>";
    for (const Span* span : lanes[row]) {
      svg << "<rect x=\"" << number(kLeft + (span->start - first) * scale, 1) << "\" y=\"" << y + 2 << "\" width=\""
          << number(std::max(1.0, (span->end - span->start) * scale), 1) << "\" height=\"" << kLane - 3 << "\" fill=\""
          << colour_of(span->way) << "\"><title>" << flow::svg_text(span->node) << " " << span->item;
      for (const int64_t part : span->parts) svg << "." << part;
      svg << ": " << number((span->end - span->start) * 1e3, 2) << " ms, " << span->way << "</title></rect>";
    }
  }
  svg << "<text x=\"" << kLeft << "\" y=\"" << height - 8 << "\">0</text><text x=\"" << kLeft + kWidth - 40 << "\" y=\"" << height - 8
      << "\">" << number((last - first) * 1e3, 1) << " ms</text></svg>";
  return svg.str();
}

}  // namespace gristmill
