// The graph as SVG: inputs on the left, each function one column to the right of what it takes.

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>
#include <utility>

#include "flow/graph.h"
#include "flow/svg.h"

namespace gristmill::flow {

std::string svg_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace gristmill::flow

namespace gristmill::detail {
namespace {

constexpr int kBoxWide = 170;
constexpr int kBoxHigh = 40;
constexpr int kGapX = 60;
constexpr int kGapY = 18;
constexpr int kEdge = 20;
constexpr size_t kTitle = 26;
constexpr size_t kBelow = 30;

constexpr std::array<std::pair<flow::Way, const char*>, 4> kFills{{{flow::Way::kUnknown, "#ffffff"},
                                                                   {flow::Way::kCompute, "#e6dcf3"},
                                                                   {flow::Way::kBlocking, "#f7e6c6"},
                                                                   {flow::Way::kAsync, "#d7e8f5"}}};

struct Box {
  int x = 0;
  int y = 0;
  std::string title;
  std::string below;
  std::string about;
  const char* fill = "#ffffff";
  int corner = 6;
};

const char* fill_of(const flow::Node& node) {
  if (node.nested) return kFills[0].second;
  const auto* it = std::find_if(kFills.begin(), kFills.end(), [&](const auto& fill) { return fill.first == node.way(); });
  return it->second;
}

// Not in the middle of a letter.
std::string shortened(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

void draw_box(std::ostringstream& svg, const Box& box) {
  const int middle = box.x + kBoxWide / 2;
  svg << "<g><title>" << flow::svg_text(box.about) << "</title><rect x=\"" << box.x << "\" y=\"" << box.y << "\" width=\"" << kBoxWide
      << "\" height=\"" << kBoxHigh << "\" rx=\"" << box.corner << "\" fill=\"" << box.fill << "\" stroke=\"#555\"/><text x=\"" << middle
      << "\" y=\"" << box.y + 17 << "\" text-anchor=\"middle\">" << flow::svg_text(shortened(box.title, kTitle)) << "</text><text x=\""
      << middle << "\" y=\"" << box.y + 31 << "\" text-anchor=\"middle\" fill=\"#555\" font-size=\"10\">"
      << flow::svg_text(shortened(box.below, kBelow)) << "</text></g>";
}

void draw_edge(std::ostringstream& svg, const Box& from, const Box& to) {
  const int a = from.x + kBoxWide;
  const int b = from.y + kBoxHigh / 2;
  const int d = to.y + kBoxHigh / 2;
  const int middle = (a + to.x) / 2;
  svg << "<path d=\"M" << a << "," << b << " C" << middle << "," << b << " " << middle << "," << d << " " << to.x << "," << d
      << "\" fill=\"none\" stroke=\"#888\" marker-end=\"url(#end)\"/>";
}

}  // namespace

std::string FlowGraph::to_svg() const {
  std::vector<Box> boxes;
  std::vector<int> column;
  std::vector<int> rows;  // by column
  for (const Place& place : places_) {
    Box box{.title = place.name};
    int at = 0;
    if (place.node >= 0) {
      const flow::Node& node = *nodes_[static_cast<size_t>(place.node)];
      for (const int slot : node.inputs) {
        if (slot >= 0) at = std::max(at, column[static_cast<size_t>(slot)]);
      }
      ++at;
      box.below = node.nested      ? "a flow, for each item"
                  : node.batch > 0 ? std::to_string(node.batch) + " items at once"
                                   : node.rules_text();
      box.about = node.nested ? "a flow, for each of its items" : node.why();
      box.fill = fill_of(node);
    } else {
      box.below = place.otherwise ? "input, has a default" : "input";
      box.about = place.name;
      box.corner = 20;
    }
    if (rows.size() <= static_cast<size_t>(at)) rows.resize(static_cast<size_t>(at) + 1, 0);
    box.x = kEdge + at * (kBoxWide + kGapX);
    box.y = kEdge + rows[static_cast<size_t>(at)]++ * (kBoxHigh + kGapY);
    column.push_back(at);
    boxes.push_back(std::move(box));
  }
  const int wide = 2 * kEdge + std::max(static_cast<int>(rows.size()), 1) * (kBoxWide + kGapX) - kGapX;
  const int high = 2 * kEdge + (rows.empty() ? 1 : *std::max_element(rows.begin(), rows.end())) * (kBoxHigh + kGapY) - kGapY;
  std::ostringstream svg;
  svg << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << wide << "\" height=\"" << high
      << "\" font-family=\"sans-serif\" font-size=\"12\"><defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" "
         "markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"#888\"/></marker></defs>";
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (const int slot : nodes_[n]->inputs) {
      if (slot >= 0) draw_edge(svg, boxes[static_cast<size_t>(slot)], boxes[static_cast<size_t>(outs_[n])]);
    }
  }
  for (const Box& box : boxes) draw_box(svg, box);
  svg << "</svg>";
  return svg.str();
}

}  // namespace gristmill::detail
